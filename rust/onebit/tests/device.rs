//! The device level: exact for ragged shapes, events that own their memory.

use onebit::device::{Device, DeviceOptions, Event, Kind, Weights};
use onebit::ErrorKind;

/// Numbers that repeat.
struct Random(u32);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1664525).wrapping_add(1013904223);
        self.0 >> 16
    }
}

struct Problem {
    rows: u32,
    columns: u32,
    tokens: u32,
    w: Vec<i8>,
    x: Vec<i8>,
}

impl Problem {
    fn new(rows: u32, columns: u32, tokens: u32) -> Problem {
        let mut random = Random(rows * 31 + columns * 7 + tokens);
        let w = (0..rows * columns).map(|_| (random.next() % 3) as i8 - 1).collect();
        let x = (0..tokens * columns).map(|_| random.next() as i8).collect();
        Problem {
            rows,
            columns,
            tokens,
            w,
            x,
        }
    }

    fn plain(&self) -> Vec<i32> {
        let product = |x: &[i8], w: &[i8]| x.iter().zip(w).map(|(x, w)| i32::from(*x) * i32::from(*w)).sum();
        let columns = self.columns as usize;
        self.x
            .chunks(columns)
            .flat_map(|x| self.w.chunks(columns).map(move |w| product(x, w)))
            .collect()
    }

    fn codes(&self) -> Vec<u8> {
        self.w.iter().map(|w| (w + 1) as u8).collect()
    }

    fn upload(&self, device: &Device) -> Weights {
        device.upload_i8(self.rows, self.columns, &self.w).unwrap()
    }
}

fn open(kind: Kind) -> Device {
    Device::open(&DeviceOptions {
        threads: 2,
        ..DeviceOptions::new(kind)
    })
    .unwrap()
}

#[test]
fn ragged_products_are_exact() {
    for kind in [Kind::Cpu, Kind::NpuSimulator] {
        let device = open(kind);
        for (rows, columns, tokens) in [(1, 1, 1), (17, 33, 5), (161, 257, 33), (16, 64, 130)] {
            let p = Problem::new(rows, columns, tokens);
            assert_eq!(
                p.upload(&device).gemm(&p.x, tokens).unwrap(),
                p.plain(),
                "{:?} {}x{}x{}",
                kind,
                rows,
                columns,
                tokens
            );
            let mut out = vec![0x5A5A5A5A; (tokens * rows) as usize];
            device
                .upload_codes(rows, columns, &p.codes())
                .unwrap()
                .gemm_into(&p.x, tokens, &mut out)
                .unwrap();
            assert_eq!(out, p.plain());
        }
        let stats = device.stats().unwrap();
        assert_eq!((stats.products, stats.failures, stats.weight_bytes), (8, 0, 0));
        assert_eq!(stats.macs, 2 * (1 + 17 * 33 * 5 + 161 * 257 * 33 + 16 * 64 * 130));
        assert_eq!(device.info().unwrap().simulated, kind == Kind::NpuSimulator);
        assert!(!device.is_lost().unwrap());
        assert_eq!(device.reopen().unwrap_err().kind(), ErrorKind::State);
    }
}

#[test]
fn events_outlive_what_they_came_from() {
    let p = Problem::new(40, 100, 9);
    let device = open(Kind::NpuSimulator);
    let weights = p.upload(&device);
    let mut events: Vec<Event> = (0..5).map(|_| weights.submit(p.x.clone(), p.tokens).unwrap()).collect();
    drop(weights);
    drop(device);
    let last = events.pop().unwrap();
    assert_eq!(last.wait().unwrap(), p.plain());
    assert!(events[0].is_done().unwrap(), "they end in the order of submission");
    let waited = std::thread::spawn({
        let event = events.remove(1);
        move || event.wait().unwrap()
    });
    assert_eq!(waited.join().unwrap(), p.plain());
    drop(events);
}

#[test]
fn threads_share_a_device() {
    let device = open(Kind::Cpu);
    std::thread::scope(|scope| {
        for i in 0..4 {
            let device = &device;
            scope.spawn(move || {
                let p = Problem::new(30 + i, 50 + i, 7);
                for _ in 0..10 {
                    let weights = p.upload(device);
                    let event = weights.submit(p.x.clone(), p.tokens).unwrap();
                    assert_eq!(weights.gemm(&p.x, p.tokens).unwrap(), p.plain());
                    assert_eq!(event.wait().unwrap(), p.plain());
                }
            });
        }
    });
    assert_eq!(device.stats().unwrap().products, 80);
}

#[test]
fn wrong_sizes_and_values_are_refused() {
    let device = open(Kind::Cpu);
    assert_eq!(
        device.upload_i8(2, 3, &[0; 5]).unwrap_err().message(),
        "weights: 5 elements, expected 2 x 3"
    );
    assert_eq!(device.upload_i8(0, 3, &[]).unwrap_err().kind(), ErrorKind::Argument);
    let error = device.upload_i8(1, 3, &[0, 2, 0]).unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::Format, "the weight at row 0, column 1 is 2, expected -1, 0 or 1")
    );
    assert_eq!(device.upload_codes(1, 1, &[3]).unwrap_err().kind(), ErrorKind::Format);
    let weights = device.upload_i8(1, 3, &[0, 1, 0]).unwrap();
    assert_eq!(weights.gemm(&[1, 2], 1).unwrap_err().message(), "x: 2 elements, expected 1 x 3");
    assert_eq!(weights.gemm(&[], 0).unwrap_err().kind(), ErrorKind::Argument);
    assert_eq!(
        weights.gemm_into(&[1, 2, 3], 1, &mut [0, 0]).unwrap_err().message(),
        "out: 2 elements, expected 1 x 1"
    );
    assert_eq!(weights.submit(vec![1], 1).unwrap_err().kind(), ErrorKind::Argument);
    let options = DeviceOptions {
        isa: Some("6502".into()),
        ..DeviceOptions::new(Kind::Cpu)
    };
    assert!(Device::open(&options).unwrap_err().message().contains("6502"));
    let options = DeviceOptions {
        isa: Some("a\0b".into()),
        ..DeviceOptions::new(Kind::Cpu)
    };
    assert_eq!(Device::open(&options).unwrap_err().kind(), ErrorKind::Argument);
}
