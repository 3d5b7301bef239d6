// Vectors of the machine's width, and the functions of a cell on single numbers that loops over rows run as vectors.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__AVX512F__)
constexpr int BYTES = 64, ROWS = 12;  // of the matrix product's tile: ROWS * 2 sums, two columns and one factor in registers
#elif defined(__AVX__)
constexpr int BYTES = 32, ROWS = 6;
#elif defined(__aarch64__)
constexpr int BYTES = 16, ROWS = 12;
#else
constexpr int BYTES = 16, ROWS = 6;
#endif

#define FLAT __attribute__((flatten))  // all that is called in the function becomes part of it: loops that call run as scalars

template <class T> struct VectorOf { typedef T type __attribute__((vector_size(BYTES))); };
template <class T> using Vector = typename VectorOf<T>::type;
template <class T> constexpr int LANES = BYTES / int(sizeof(T));

// f(j) for every j in [from, to); no f(j) may depend on another.
template <class F> static inline void each(int from, int to, F f) {
  constexpr int STRIDE = BYTES / 2;  // two vectors of floats: a loop of known length has no remainder to look after
  int j = from;
  for (; j + STRIDE <= to; j += STRIDE) {
#pragma omp simd
    for (int k = 0; k < STRIDE; k++) f(j + k);
  }
#pragma omp simd
  for (int k = j; k < to; k++) f(k);
}

// e^x = power * (1 + rest): reduction to |r| <= log(2) / 2 in two parts (Cody & Waite 1980), then the series to r^7, whose
// next term is below 1e-8.
static inline void split(float x, float& power, float& rest) {
  const float rounder = 12582912.f;  // 1.5 * 2^23: adding it rounds to a whole number
  const float n = (x * 1.44269504f + rounder) - rounder;
  const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  float series = 1.f / 5040;
  series = series * r + 1.f / 720;
  series = series * r + 1.f / 120;
  series = series * r + 1.f / 24;
  series = series * r + 1.f / 6;
  series = series * r + 0.5f;
  rest = series * r * r + r;
  const std::uint32_t bits = (std::uint32_t(std::int32_t(n)) + 127u) << 23;
  std::memcpy(&power, &bits, sizeof power);
}
// Comparisons that a NaN fails, so that a NaN stays one and the run is seen to diverge.
template <class T> static inline T within(T x, T low, T high) {
  x = x < low ? low : x;
  return x > high ? high : x;
}

static inline float sigmoid(float x) {
  float power, rest;
  split(within(-x, -87.f, 87.f), power, rest);
  return 1.f / (1.f + (power + power * rest));
}
static inline double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// tanh x = (e^2x - 1) / (e^2x + 1): by e^2x - 1, which keeps its digits where x is small.
static inline float tanh_of(float x) {
  float power, rest;
  split(within(2 * x, -20.f, 20.f), power, rest);
  const float less_one = power * rest + (power - 1.f);
  return less_one / (less_one + 2.f);
}
static inline double tanh_of(double x) { return std::tanh(x); }

// Activations by number, in the order of bench.core.cpp.ACTIVATIONS; the slope as a function of the value, as torch has it.
struct Tanh {
  template <class T> static T value(T x) { return tanh_of(x); }
  template <class T> static T slope(T y) { return 1 - y * y; }
};
struct ReLU {
  template <class T> static T value(T x) { return x < 0 ? T(0) : x; }
  template <class T> static T slope(T y) { return y > 0 ? T(1) : T(0); }
};
struct LeakyReLU {
  template <class T> static T value(T x) { return x < 0 ? T(0.01) * x : x; }
  template <class T> static T slope(T y) { return y > 0 ? T(1) : T(0.01); }
};
struct HardTanh {
  template <class T> static T value(T x) { return within(x, T(-1), T(1)); }
  template <class T> static T slope(T y) { return y > -1 && y < 1 ? T(1) : T(0); }
};
