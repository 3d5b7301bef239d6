// Runs one kernel for a number of steps: `driver KERNEL STEPS`; without arguments, the names of the kernels.
//
// Inputs and outputs have the size of the longest run whatever the number of steps, so that between two runs only the
// steps differ. What was computed is printed, so that no compiler leaves it out.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "dispatch.h"

extern "C" {
void bits(unsigned char* mask, std::int64_t count, std::uint64_t number, std::int64_t threshold);
void rmsprop(const void* rows, std::int64_t length, int wide, int threads, double lr, double alpha, double eps);
void nadam(const void* rows, std::int64_t length, int wide, int threads, double lr, double beta1, double beta2,
           double eps, double decay);
}

namespace {

constexpr int MOST = 64;  // steps
constexpr int SIZE = 4096;

double drawn(int steps) {  // a step: a mask for 32 sequences of 128 units
  std::vector<unsigned char> mask(MOST * SIZE);
  bits(mask.data(), std::int64_t(steps) * SIZE, 12345, 1 << 14);
  double sum = 0;
  for (unsigned char bit : mask) sum += bit;
  return sum;
}

std::vector<float> numbers(int seed, std::size_t count = SIZE) {
  std::vector<float> found(count);
  std::uint32_t x = seed;
  for (float& number : found) number = float(x = 1664525 * x + 1013904223) / 4294967296.0f - 0.5f;
  return found;
}

double total(const std::vector<float>& numbers) {
  double sum = 0;
  for (float number : numbers) sum += number;
  return sum;
}

double updated(int steps, bool momentum) {  // a step: an update of 4,096 weights
  std::vector<float> weight = numbers(1), gradient = numbers(2), mean(SIZE), square(SIZE);
  float step = 0, product = 1;
  struct { std::int64_t count; float *step, *weight, *gradient, *square; } first = {
      SIZE, &step, weight.data(), gradient.data(), square.data()};
  struct { std::int64_t count; float *step, *product, *weight, *gradient, *mean, *square; } second = {
      SIZE, &step, &product, weight.data(), gradient.data(), mean.data(), square.data()};
  for (int i = 0; i < steps; i++)
    momentum ? nadam(&second, 1, 0, 1, 1e-3, 0.9, 0.999, 1e-8, 4e-3) : rmsprop(&first, 1, 0, 1, 1e-3, 0.9, 1e-8);
  return total(weight);
}

double scanned(int steps, Norm norm, bool both) {  // a step: one of an LSTM of 32 units over 8 sequences
  const std::int64_t B = 8, H = 32, G = 4 * H;
  std::vector<float> z = numbers(1, MOST * B * G), weight = numbers(2, G * H), bias = numbers(3, G), gain(G, 0.1f);
  std::vector<float> state(B * H), shift(H), normed = z, r(z.size()), y(MOST * B * H), c = y, n = y, dy = numbers(4, y.size());
  std::vector<float> dz(z.size()), dr = dz, dh(state.size()), dc = dh, parameters[5];
  std::vector<float> moments[3] = {std::vector<float>(MOST * G), std::vector<float>(MOST * G), std::vector<float>(MOST * G)};
  std::vector<std::uint8_t> counted(MOST);
  std::vector<float> statistics[6];
  for (auto& array : statistics) array.resize(MOST * G);
  Population<float> population[3];
  for (int i = 0; i < 3; i++) population[i] = {statistics[i].data(), statistics[3 + i].data(), 0};
  for (auto& array : parameters) array.resize(G);
  Scan<float> s{};
  s.time = steps, s.batch = B, s.directions = 1, s.hidden = H, s.norm = norm, s.threads = 1, s.training = 1, s.steps = MOST;
  s.fewest = 8, s.momentum = 0.1f, s.epsilon = 1e-5f, s.written = 1;
  s.z = z.data(), s.a = norm == PLAIN ? z.data() : normed.data(), s.r = norm == PLAIN ? nullptr : r.data();
  s.y = y.data(), s.c = c.data(), s.n = norm == BATCH ? n.data() : nullptr, s.counted = counted.data();
  for (int i = 0; i < 3; i++) s.moments[i] = moments[i].data();
  s.population[0] = population;
  s.weight = weight.data(), s.bias = bias.data(), s.h0 = s.c0 = state.data();
  s.dy = dy.data(), s.dz = dz.data(), s.dr = norm == PLAIN ? nullptr : dr.data(), s.dh = dh.data(), s.dc = dc.data();
  s.dbias = parameters[0].data();
  if (norm != PLAIN) {
    s.gain_z = s.gain_r = s.gain_c = gain.data(), s.shift_c = shift.data(), s.dgain_z = parameters[1].data();
    s.dgain_r = parameters[2].data(), s.dgain_c = parameters[3].data(), s.dshift_c = parameters[4].data();
  }
  with_cell<float, LSTM, Tanh>(s, true);
  if (both) with_cell<float, LSTM, Tanh>(s, false);
  return total(y) + total(dz) + total(parameters[0]);
}

const struct { const char* name; double (*run)(int steps); } KERNELS[] = {
    {"bits", drawn},
    {"rmsprop", [](int steps) { return updated(steps, false); }},
    {"nadam", [](int steps) { return updated(steps, true); }},
    {"lstm-forward", [](int steps) { return scanned(steps, PLAIN, false); }},
    {"lstm-both-ways", [](int steps) { return scanned(steps, PLAIN, true); }},
    {"layer-norm-forward", [](int steps) { return scanned(steps, UNITS, false); }},
    {"layer-norm-both-ways", [](int steps) { return scanned(steps, UNITS, true); }},
    {"recurrent-bn-forward", [](int steps) { return scanned(steps, BATCH, false); }},
    {"recurrent-bn-both-ways", [](int steps) { return scanned(steps, BATCH, true); }},
};

}  // namespace

int main(int count, char** words) {
  for (const auto& kernel : KERNELS) {
    if (count == 1) std::puts(kernel.name);
    if (count == 3 && !std::strcmp(words[1], kernel.name)) {
      const int steps = std::atoi(words[2]);
      if (steps <= MOST) return std::printf("%.9g\n", kernel.run(steps)) < 0;
    }
  }
  return count != 1;
}
