// Why nothing moves: from what is waited for, along the chain of who could have brought it.
#include <algorithm>

#include "npu/sim/array.h"

namespace onebit::npu {
namespace {

constexpr size_t kMaxLinks = 16;  // of a chain

}  // namespace

std::string Array::describe(const Actor& actor) const {
  const Wait w = actor.wait();
  std::string text = actor.name();
  if (const std::string busy = actor.activity(); !busy.empty()) text += fmt::format(" ({})", busy);
  switch (w.what) {
    case Wait::For::lock:
      return text + fmt::format(" waits for lock {} of {} to be {} {}, it is {}", w.lock, name(w.tile), w.equal ? "==" : ">=", w.wanted,
                                tile(w.tile).locks[w.lock].value);
    case Wait::For::words: return text + " waits for stream words";
    case Wait::For::space: return text + fmt::format(" waits for space towards {}", w.fifo->sink());
    case Wait::For::wires: return text + ": its stream port is connected to nothing";
    case Wait::For::arbiter: return text + fmt::format(" waits for arbiter {}", w.lock);
    case Wait::For::nothing: break;
  }
  if (const auto* channel = dynamic_cast<const DmaChannel*>(&actor))
    return text + (channel->tasks_done() ? fmt::format(" is idle after {} task{}", channel->tasks_done(), channel->tasks_done() == 1 ? "" : "s")
                                         : " has no task");
  if (const auto* core = dynamic_cast<const Core*>(&actor))
    return text + (core->done ? " is done" : !core->loaded() ? " was never started" : !core->enabled() ? " is not enabled" : " does not wait");
  return text + " does not wait";
}

std::vector<const Actor*> Array::actors() const {
  std::vector<const Actor*> all;
  for (const auto& tile : tiles_) {
    for (const auto& channels : tile->channels)
      for (const auto& c : channels) all.push_back(c.get());
    if (tile->core) all.push_back(tile->core.get());
  }
  for (const PacketPort* p : fabric.ports()) all.push_back(p);
  return all;
}

// Who could end the wait of `actor`.
std::vector<const Actor*> Array::causes(const Actor& actor) const {
  const Wait w = actor.wait();
  std::vector<const Actor*> found;
  if (w.what == Wait::For::space && w.fifo->reader) found.push_back(w.fifo->reader);
  if (w.what == Wait::For::arbiter) {
    if (const PacketPort* owner = fabric.arbiter_owner(w.tile, w.lock)) found.push_back(owner);
  }
  if (w.what != Wait::For::lock && w.what != Wait::For::words) return found;
  for (const Actor* a : actors()) {
    const auto* channel = dynamic_cast<const DmaChannel*>(a);
    const auto* core = dynamic_cast<const Core*>(a);
    const auto* port = dynamic_cast<const PacketPort*>(a);
    if (w.what == Wait::For::lock) {
      const Tile& owner = tile(w.tile);
      if (a != &actor && ((channel && channel->releases(owner, w.lock)) || (core && core->releases(owner, w.lock)))) found.push_back(a);
    } else if (channel ? channel->feeds(w.fifo) : port && port->feeds(w.fifo)) {
      found.push_back(a);
    }
  }
  return found;
}

void Array::explain_from(const Actor& actor, std::set<const Actor*>& seen, std::string& text) const {
  if (!seen.insert(&actor).second) {
    text += actor.name() + " (the chain closes)";
    return;
  }
  text += describe(actor);
  if (seen.size() >= kMaxLinks) return;
  const auto next = causes(actor);
  const Wait w = actor.wait();
  if (next.empty()) {
    if (w.what == Wait::For::lock) text += ", which nothing releases";
    if (w.what == Wait::For::words) text += ", which nothing sends";
    if (w.what == Wait::For::space) text += ", which nothing reads";
    return;
  }
  // One cause at length; of several the first that itself waits.
  const auto waiting = std::find_if(next.begin(), next.end(), [](const Actor* a) { return a->wait().what != Wait::For::nothing; });
  text += " <- ";
  explain_from(waiting == next.end() ? *next.front() : **waiting, seen, text);
}

std::string Array::explain_sync(const TokenKey& key) {
  const auto tokens = tokens_.find(key);
  if (tokens != tokens_.end() && tokens->second.lost) return fmt::format(", which was issued and lost: {}", tokens->second.reason);
  const DmaChannel& channel = *tile(key.tile).channels[static_cast<size_t>(key.direction)][key.channel];
  std::string text = ": ";
  if (!channel.active() && channel.tasks_done())
    return text + fmt::format("{} has ended its {} task{}, and no token is left", channel.name(), channel.tasks_done(),
                              channel.tasks_done() == 1 ? "" : "s");
  std::set<const Actor*> seen;
  explain_from(channel, seen, text);
  return text;
}

std::string Array::explain_all() {
  std::set<const Actor*> seen;
  std::string text;
  for (const Actor* a : actors()) {
    if (a->wait().what == Wait::For::nothing || seen.contains(a) || seen.size() >= kMaxLinks) continue;
    if (!text.empty()) text += "; ";
    explain_from(*a, seen, text);
  }
  return text.empty() ? "nothing waits" : text;
}

}  // namespace onebit::npu
