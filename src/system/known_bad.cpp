// Combinations that are known not to work. Sources: projects' issue threads and read-mes, with their numbers; "driver"
// is amd/xdna-driver.
#include <algorithm>

#include "system/diagnose.h"

namespace onebit::system {
namespace {

using Why = std::optional<std::string>;

constexpr uint64_t kMiB = uint64_t{1} << 20;
// A context needs a device heap of 64 MiB before anything else; the 2B model's weights are 521 MB at 2 bits.
constexpr uint64_t kMemlockNeeded = 64 * kMiB, kMemlockEnough = 1024 * kMiB;

Version version(uint32_t a, uint32_t b, uint32_t c = 0, uint32_t d = 0) { return {.part = {a, b, c, d}, .parts = 4}; }
bool older(const std::optional<Version>& v, const Version& than) { return v && *v < than; }

const Npu* npu(const System& s) {
  for (const Npu& n : s.npus)
    if (n.kind != NpuKind::phoenix) return &n;
  return nullptr;
}
bool bound(const System& s) { return npu(s) && npu(s)->driver == "amdxdna"; }
bool usable(const std::vector<DeviceFile>& files) {
  return std::any_of(files.begin(), files.end(), [](const DeviceFile& f) { return f.usable; });
}
bool has_option(const System& s, std::string_view option) {
  return std::find(s.iommu_options.begin(), s.iommu_options.end(), option) != s.iommu_options.end();
}

enum class Family { apt, pacman, dnf };
Family family(const System& s) {
  if (s.os == "arch" || s.os == "cachyos" || s.os == "manjaro" || s.os == "endeavouros") return Family::pacman;
  if (s.os == "fedora" || s.os == "rhel" || s.os == "centos") return Family::dnf;
  return Family::apt;
}
std::string install(const System& s, const char* apt, const char* pacman, const char* dnf) {
  switch (family(s)) {
    case Family::pacman: return fmt::format("sudo pacman -Syu {}", pacman);
    case Family::dnf: return fmt::format("sudo dnf install {}", dnf);
    case Family::apt: break;
  }
  return fmt::format("sudo apt install {}", apt);
}
std::string new_firmware(const System& s) {
  return install(s, s.os == "debian" ? "firmware-linux && sudo reboot" : "linux-firmware && sudo reboot", "linux-firmware && sudo reboot", "linux-firmware && sudo reboot");
}
// Written options are removed where the distribution keeps the kernel's command line.
std::string remove_option(const System& s) {
  std::string expression, names;
  for (const std::string& o : s.iommu_options) {
    expression += fmt::format("s/ *{}//;", o);
    names += (names.empty() ? "" : " ") + o;
  }
  if (family(s) == Family::dnf) return fmt::format("sudo grubby --update-kernel=ALL --remove-args='{}' && sudo reboot", names);
  const char* update = family(s) == Family::pacman ? "grub-mkconfig -o /boot/grub/grub.cfg" : "update-grub";
  return fmt::format("sudo sed -i '{}' /etc/default/grub && sudo {} && sudo reboot", expression, update);
}
std::string join_group(const System& s) {
  if (s.container) return "docker run --group-add \"$(getent group render | cut -d: -f3)\" ...";
  if (s.user.render_listed) return "newgrp render";
  return "sudo usermod -aG render,video \"$USER\"  # then log out and in";
}
std::string raise_memlock(const System& s) {
  if (s.container) return "docker run --ulimit memlock=-1 ...";
  return "printf '* - memlock unlimited\\n' | sudo tee /etc/security/limits.d/99-amdxdna.conf  # then log out and in";
}
const char* kernel_upgrade(const System& s) {
  if (s.os == "debian") return "sudo apt install -t stable-backports linux-image-amd64 && sudo reboot";
  if (s.os == "ubuntu") return "sudo apt install \"linux-generic-hwe-$(lsb_release -rs)\" && sudo reboot";
  return family(s) == Family::pacman ? "sudo pacman -Syu linux && sudo reboot"
         : family(s) == Family::dnf  ? "sudo dnf upgrade kernel && sudo reboot"
                                     : "sudo apt full-upgrade && sudo reboot";
}
std::string kernel_text(const System& s) { return s.kernel ? s.kernel->text() : "of unknown version"; }

const KnownBad kTable[] = {
    {"npu.kernel-too-old", Backend::npu, Health::broken, "kernel before 6.10", "driver README, System Requirements",
     [](const System& s) -> Why {
       if (bound(s) || !older(s.kernel, version(6, 10))) return {};
       return fmt::format("the kernel is {} and the amdxdna driver needs 6.10 or later (6.14 has it built in)", kernel_text(s));
     },
     [](const System& s) -> std::string { return kernel_upgrade(s); }},
    {"npu.iommu-off", Backend::npu, Health::broken, "amd_iommu=off or iommu=off on the kernel's command line",
     "noamsto/nix-amd-ai 123: 'Running without IOMMU not supported'",
     [](const System& s) -> Why {
       if (bound(s) || !(has_option(s, "amd_iommu=off") || has_option(s, "iommu=off"))) return {};
       return "the IOMMU is switched off on the kernel's command line, and the amdxdna driver does not start without it";
     },
     remove_option},
    {"npu.blacklisted", Backend::npu, Health::broken, "amdxdna blacklisted in modprobe.d", "modprobe.d(5)",
     [](const System& s) -> Why {
       if (s.amdxdna.loaded || !s.amdxdna.blacklisted) return {};
       return "the amdxdna driver is blacklisted in modprobe.d";
     },
     [](const System&) -> std::string {
       return "sudo sed -i '/^ *blacklist *amdxdna/d' /etc/modprobe.d/*.conf && sudo modprobe amdxdna";
     }},
    {"npu.no-driver", Backend::npu, Health::broken, "an NPU without amdxdna: kernels 6.10 to 6.13 need it out of tree",
     "driver README, Linux compilation and installation",
     [](const System& s) -> Why {
       if (bound(s) || s.amdxdna.loaded || s.amdxdna.on_disk) return {};
       if (older(s.kernel, version(6, 14)))
         return fmt::format("there is no amdxdna driver: kernel {} does not have it, 6.14 is the first that does", kernel_text(s));
       return fmt::format("there is no amdxdna driver loaded, and none was found for kernel {}", kernel_text(s));
     },
     [](const System& s) -> std::string {
       if (older(s.kernel, version(6, 14))) return kernel_upgrade(s);
       return s.container ? "sudo modprobe amdxdna  # on the host" : "sudo modprobe amdxdna";
     }, true},
    {"npu.not-loaded", Backend::npu, Health::broken, "amdxdna installed and not loaded", "pve-kernel 1",
     [](const System& s) -> Why {
       if (bound(s) || s.amdxdna.loaded || !s.amdxdna.on_disk) return {};
       return "the amdxdna driver is installed and not loaded";
     },
     [](const System&) -> std::string { return "sudo modprobe amdxdna"; }, true},
    {"npu.firmware-missing", Backend::npu, Health::broken, "no firmware file for the NPU's revision",
     "driver 421, 282: 'failed to request_firmware', -2",
     [](const System& s) -> Why {
       if (bound(s) || !npu(s)->firmware_files.empty()) return {};
       return fmt::format("the amdxdna driver is loaded and did not start the NPU: there is no firmware in /lib/firmware/amdnpu/{}", npu(s)->firmware_folder);
     },
     new_firmware, true},
    {"npu.firmware-protocol", Backend::npu, Health::broken, "firmware 1.1 (protocol 7) under the kernel's own driver up to 6.19",
     "driver 1074: 'Incompatible firmware protocol major 7'",
     [](const System& s) -> Why {
       if (bound(s) || s.amdxdna.out_of_tree || !older(s.kernel, version(7, 0)) || !npu(s)->firmware_on_disk || older(npu(s)->firmware_on_disk, version(1, 1))) return {};
       return fmt::format("the amdxdna driver did not start the NPU: firmware {} speaks protocol 7, and the driver in kernel {} only protocol 6",
                          npu(s)->firmware_on_disk->text(), kernel_text(s));
     },
     [](const System& s) -> std::string { return install(s, "amdxdna-dkms && sudo reboot", "amdxdna-dkms && sudo reboot", "amdxdna-dkms && sudo reboot"); }, true},
    {"npu.not-bound", Backend::npu, Health::broken, "amdxdna loaded and not bound to the NPU", "driver 1257, 389: 'Hardware init failed'",
     [](const System& s) -> Why {
       if (bound(s)) return {};
       return "the amdxdna driver is loaded and is not bound to the NPU; 'sudo dmesg | grep amdxdna' has its reason";
     },
     [](const System&) -> std::string { return "sudo modprobe -r amdxdna && sudo modprobe amdxdna"; }, true},
    {"npu.firmware-old", Backend::npu, Health::broken, "firmware before 1.1 (protocol 6)",
     "ROCm/FastFlowLM 421: 1.0.0.63 is incompatible; array programs are known to run with 1.1.2.65",
     [](const System& s) -> Why {
       // What runs counts; where the driver does not say it, what it would load.
       const auto& firmware = npu(s)->firmware ? npu(s)->firmware : npu(s)->firmware_on_disk;
       if (!older(firmware, version(1, 1))) return {};
       return fmt::format("the NPU's firmware is {}; 1.1 or later is needed (1.1.2.65 is known to run array programs)", firmware->text());
     },
     new_firmware},
    {"npu.no-device-file", Backend::npu, Health::broken, "a bound NPU without /dev/accel/accel0: containers see only what they are given",
     "mlir-aie and driver 282: 'error gathering device information'",
     [](const System& s) -> Why {
       if (!bound(s) || !s.accel.empty()) return {};
       return s.container ? "this is a container and /dev/accel/accel0 was not passed to it" : "the driver runs and /dev/accel/accel0 does not exist";
     },
     [](const System& s) -> std::string {
       return s.container ? "docker run --device /dev/accel/accel0 --ulimit memlock=-1 ..." : "sudo udevadm trigger --subsystem-match=accel";
     }},
    {"npu.sva-passthrough", Backend::npu, Health::broken, "IOMMU in passthrough with a driver before June 2026 (kernels before 7.1)",
     "driver 704, 1445; ROCm/FastFlowLM 403: 'SVA bind device failed, ret -19'",
     [](const System& s) -> Why {
       const bool identity = npu(s)->iommu_domain == "identity" || (npu(s)->iommu_domain.empty() && (has_option(s, "iommu=pt") || has_option(s, "iommu.passthrough=1")));
       if (!bound(s) || !identity || s.amdxdna.out_of_tree || !older(s.kernel, version(7, 1))) return {};
       return fmt::format("the IOMMU is in passthrough mode, where the driver of kernel {} cannot open the NPU ('SVA bind device failed')", kernel_text(s));
     },
     [](const System& s) -> std::string {
       return s.iommu_options.empty() ? "sudo sed -i 's/^GRUB_CMDLINE_LINUX=\"/&iommu.passthrough=0 /' /etc/default/grub && sudo update-grub && sudo reboot" : remove_option(s);
     }},
    {"npu.permission", Backend::npu, Health::broken, "a user outside the group render", "ROCm/FastFlowLM 400: 'No NPU device found'",
     [](const System& s) -> Why {
       if (s.accel.empty() || usable(s.accel)) return {};
       if (s.user.render_listed && !s.user.in(s.user.render_group))
         return fmt::format("{} cannot be opened: the user is in the group render, but was not when this session began", s.accel[0].path);
       return fmt::format("{} cannot be opened: the user is not in the group render", s.accel[0].path);
     },
     join_group},
    {"npu.memlock", Backend::npu, Health::broken, "memlock limit below the device heap of 64 MiB", "driver README, 'How to allocate huge size BO?'",
     [](const System& s) -> Why {
       if (!s.memlock || *s.memlock >= kMemlockNeeded || s.user.root) return {};
       return fmt::format("the memlock limit is {} KiB; a context needs 65536 KiB and the 2B model 1 GiB", *s.memlock >> 10);
     },
     raise_memlock},
    {"npu.memlock-small", Backend::npu, Health::limited, "memlock limit below 1 GiB: larger models fail to allocate", "driver README; ROCm/FastFlowLM 437",
     [](const System& s) -> Why {
       if (!s.memlock || *s.memlock < kMemlockNeeded || *s.memlock >= kMemlockEnough || s.user.root) return {};
       return fmt::format("the memlock limit is {} MiB; the 2B model needs 1 GiB", *s.memlock >> 20);
     },
     raise_memlock},
    {"xrt.plugin-without-core", Backend::npu, Health::broken, "the NPU plugin without XRT", "XRT common/module_loader.cpp",
     [](const System& s) -> Why {
       if (s.xrt.core || !s.xrt.plugin) return {};
       return fmt::format("{}/{} is installed, and XRT itself (libxrt_coreutil) is not", s.xrt.plugin->folder, s.xrt.plugin->file);
     },
     [](const System& s) -> std::string { return install(s, "libxrt2", "xrt", "xrt"); }},
    {"xrt.too-old", Backend::npu, Health::broken, "XRT before 2.20; Debian 12 has 2.13, which knows no NPU", "XRT 2.25 headers against Debian 12's libxrt-dev",
     [](const System& s) -> Why {
       if (!s.xrt.core || !s.xrt.core->version || s.xrt.core->version->parts < 2 || !older(s.xrt.core->version, version(2, 20))) return {};
       return fmt::format("XRT is {} and 2.20 or later is needed", s.xrt.core->version->text());
     },
     [](const System& s) -> std::string { return install(s, "libxrt2 libxrt-npu2", "xrt xrt-plugin-amdxdna", "xrt xrt-plugin-amdxdna"); }},
    {"xrt.libc-too-old", Backend::npu, Health::broken, "XRT of Debian sid on a distribution with glibc before 2.38", "Debian sid, libxrt2 1:2.25.0-4+b1: depends on libc6 >= 2.38",
     [](const System& s) -> Why {
       const bool old = (s.os == "debian" && s.os_version == "12") || (s.os == "ubuntu" && s.os_version == "22.04");
       if (!old || !s.xrt.core || s.xrt.core->folder != "/usr/lib/x86_64-linux-gnu" || !s.xrt.core->version || older(s.xrt.core->version, version(2, 25))) return {};
       return fmt::format("XRT {} was built for glibc 2.38, and {} {} has an older one", s.xrt.core->version->text(), s.os, s.os_version);
     },
     [](const System&) -> std::string { return "sudo apt full-upgrade  # after moving to a release with glibc 2.38"; }},
    {"xrt.plugin-missing", Backend::npu, Health::broken, "XRT without its NPU plugin", "driver README, Introduction; Xilinx/XRT 9141: 0 devices",
     [](const System& s) -> Why {
       if (!s.xrt.core || s.xrt.plugin) return {};
       return "XRT is installed without its NPU plugin (libxrt_driver_xdna.so.2), so it finds no device";
     },
     [](const System& s) -> std::string { return install(s, "libxrt-npu2", "xrt-plugin-amdxdna", "xrt-plugin-amdxdna"); }},
    {"xrt.plugin-elsewhere", Backend::npu, Health::broken, "the plugin in another folder than libxrt_core", "XRT common/module_loader.cpp",
     [](const System& s) -> Why {
       if (!s.xrt.core || !s.xrt.plugin || s.xrt.together) return {};
       return fmt::format("XRT is in {} and its NPU plugin in {}; it looks only beside itself", s.xrt.core->folder, s.xrt.plugin->folder);
     },
     [](const System& s) -> std::string { return fmt::format("sudo ln -s {}/{} {}/libxrt_driver_xdna.so.2", s.xrt.plugin->folder, s.xrt.plugin->file, s.xrt.core->folder); }},
    {"xrt.plugin-mismatch", Backend::npu, Health::broken, "XRT and its plugin of different versions: the interface between them is internal",
     "XRT common/module_loader.cpp; driver README, System Requirements",
     [](const System& s) -> Why {
       if (!s.xrt.core || !s.xrt.plugin) return {};
       const auto &c = s.xrt.core->version, &p = s.xrt.plugin->version;
       if (!c || !p || c->parts < 2 || p->parts < 2 || (c->part[0] == p->part[0] && c->part[1] == p->part[1])) return {};
       return fmt::format("XRT is {} and its NPU plugin {}; they have to be built together", c->text(), p->text());
     },
     [](const System& s) -> std::string { return install(s, "--reinstall libxrt2 libxrt-npu2", "xrt xrt-plugin-amdxdna", "xrt xrt-plugin-amdxdna"); }},
    {"xrt.not-installed", Backend::npu, Health::not_installed, "no XRT", "driver README, System Requirements",
     [](const System& s) -> Why {
       if (s.xrt.core || s.xrt.plugin) return {};
       return "the driver is ready and XRT is not installed";
     },
     [](const System& s) -> std::string { return install(s, "libxrt2 libxrt-npu2", "xrt xrt-plugin-amdxdna", "xrt xrt-plugin-amdxdna"); }},
    {"gpu.no-driver", Backend::igpu, Health::broken, "a GPU without amdgpu", "amdgpu documentation of the kernel",
     [](const System& s) -> Why {
       if (s.gpus[0].driver == "amdgpu") return {};
       return s.gpus[0].driver.empty() ? "no driver is bound to the GPU, expected amdgpu" : fmt::format("the GPU's driver is '{}', expected amdgpu", s.gpus[0].driver);
     },
     [](const System&) -> std::string { return "sudo modprobe amdgpu"; }},
    {"gpu.hip-too-old", Backend::igpu, Health::broken, "HIP 5 with an RDNA 3.5 GPU: its device libraries are older than gfx115x",
     "Debian 12's HIP 5.2.3 tried",
     [](const System& s) -> Why {
       if (!s.hip.library || !older(s.hip.library->version, version(6, 0)) || !s.gpus[0].target.starts_with("gfx115")) return {};
       return fmt::format("HIP is {} and knows no {}; 6 or later is needed", s.hip.library->version->text(), s.gpus[0].target);
     },
     [](const System& s) -> std::string { return install(s, "rocm-hip-runtime", "hip-runtime-amd", "rocm-hip"); }},
    {"gpu.no-device-file", Backend::igpu, Health::broken, "HIP without /dev/kfd: hipGetDeviceCount gives error 100", "Debian's libamdhip64-5 tried without a GPU",
     [](const System& s) -> Why {
       if (!s.hip.library || s.hip.kfd) return {};
       return s.container ? "this is a container and /dev/kfd was not passed to it" : "/dev/kfd does not exist, so HIP finds no device";
     },
     [](const System& s) -> std::string { return s.container ? "docker run --device /dev/kfd --device /dev/dri ..." : "sudo modprobe -r amdgpu && sudo modprobe amdgpu"; }},
    {"gpu.permission", Backend::igpu, Health::broken, "a user outside the group render", "ROCm installation guide",
     [](const System& s) -> Why {
       if (!s.hip.library || !s.hip.kfd || s.hip.kfd->usable) return {};
       return s.user.render_listed && !s.user.in(s.user.render_group) ? "/dev/kfd cannot be opened: the user is in the group render, but was not when this session began"
                                                                      : "/dev/kfd cannot be opened: the user is not in the group render";
     },
     join_group},
    {"gpu.not-installed", Backend::igpu, Health::not_installed, "no HIP library", "ROCm installation guide",
     [](const System& s) -> Why {
       if (s.hip.library) return {};
       return "the GPU is there and no HIP library (libamdhip64) is installed";
     },
     [](const System& s) -> std::string { return install(s, "rocm-hip-runtime", "hip-runtime-amd", "rocm-hip"); }},
    {"gpu.target-unknown", Backend::igpu, Health::limited, "a GPU without 8-bit matrix instructions (before gfx11)", "clang's target features: gfx1030 and gfx90a have no WMMA",
     [](const System& s) -> Why {
       const std::string& t = s.gpus[0].target;
       if (!s.hip.library || t.starts_with("gfx11") || t.starts_with("gfx12")) return {};
       return t.empty() ? "the GPU's target is not known; kernels are made for gfx11 and gfx12" : fmt::format("the GPU is {}; kernels are made for gfx11 and gfx12", t);
     },
     [](const System&) -> std::string { return {}; }},
    {"cpu.no-vectors", Backend::cpu, Health::limited, "an x86-64 CPU without AVX2, FMA and F16C", "src/cpu",
     [](const System& s) -> Why {
       if (!s.cpu.known || s.cpu.avx2 || s.cpu.neon_dot) return {};
       return "the CPU has neither AVX2 nor NEON dot products: the scalar kernels run, correct and slow";
     },
     [](const System&) -> std::string { return {}; }},
    {"cpu.memory", Backend::cpu, Health::limited, "less than 2 GiB of memory: the 2B model does not fit", "the file of BitNet b1.58 2B4T has 1.19 GB",
     [](const System& s) -> Why {
       const uint64_t all = s.memory.cgroup_limit && s.memory.total > 0 ? std::min(*s.memory.cgroup_limit, s.memory.total) : s.memory.total;
       if (all == 0 || all >= 2048 * kMiB) return {};
       return fmt::format("{} MiB of memory: the 2B model needs 2 GiB, smaller ones run", all >> 20);
     },
     [](const System&) -> std::string { return {}; }},
};

}  // namespace

std::span<const KnownBad> known_bad() { return kTable; }

}  // namespace onebit::system
