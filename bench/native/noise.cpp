// Masks of random bits: a function of one number and of the position alone.
#include <cstdint>

// SplitMix64 (Steele, Lea & Flood 2014): hashes a counter, so words can be made in any order.
static inline std::uint64_t word(std::uint64_t number, std::uint64_t k) {
  std::uint64_t w = number + (k + 1) * 0x9E3779B97F4A7C15u;
  w = (w ^ (w >> 30)) * 0xBF58476D1CE4E5B9u;
  w = (w ^ (w >> 27)) * 0x94D049BB133111EBu;
  return w ^ (w >> 31);
}

// mask[k] = 1 where the k-th 16 bits of the stream are below threshold.
extern "C" void bits(unsigned char* mask, std::int64_t count, std::uint64_t number, std::int64_t threshold) {
  std::int64_t whole = count / 4;
  for (std::int64_t k = 0; k < whole; k++) {
    std::uint64_t w = word(number, k);
    for (int part = 0; part < 4; part++) mask[4 * k + part] = std::int64_t(w >> (16 * part) & 0xFFFF) < threshold;
  }
  if (count % 4) {
    std::uint64_t w = word(number, whole);
    for (int part = 0; part < count % 4; part++) mask[4 * whole + part] = std::int64_t(w >> (16 * part) & 0xFFFF) < threshold;
  }
}
