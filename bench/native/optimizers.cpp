// Update rules in one pass over memory: every array is read once and written once, for all tensors in one call.
// Torch has such a pass for SGD, Adagrad and Adam; these are the rules of torch.optim.RMSprop and torch.optim.NAdam.
#include <algorithm>
#include <cmath>
#include <cstdint>

// Each element is by itself, and a chunk is the same loop whoever runs it: no result depends on the number of threads.
static const std::int64_t CHUNK = 4096;

// A weight and its state. `step` and `product` are what torch keeps beside it, in float whatever the weight is.
template <class T>
struct RMSprop {
  std::int64_t count;
  float* step;
  T *weight, *gradient, *square;
};

template <class T>
struct Nadam {
  std::int64_t count;
  float *step, *product;
  T *weight, *gradient, *mean, *square;
};

template <class Row>
static bool several(const Row* rows, std::int64_t length) {
  std::int64_t count = 0;
  for (std::int64_t r = 0; r < length; r++) count += rows[r].count;
  return count > 16 * CHUNK;  // a thread takes longer to wake than to do less
}

template <class T>
static void rmsprop_all(const RMSprop<T>* rows, std::int64_t length, int threads, double lr, double alpha, double eps) {
  const T keep = alpha, add = 1 - alpha, rate = lr, epsilon = eps;
  for (std::int64_t r = 0; r < length; r++) *rows[r].step += 1;
#pragma omp parallel num_threads(threads) if (threads > 1 && several(rows, length))
  for (std::int64_t r = 0; r < length; r++) {
    const RMSprop<T> row = rows[r];
#pragma omp for schedule(static) nowait
    for (std::int64_t from = 0; from < row.count; from += CHUNK) {
      const std::int64_t to = std::min(from + CHUNK, row.count);
      T *__restrict w = row.weight, *__restrict v = row.square;
      const T* __restrict g = row.gradient;
#pragma omp simd
      for (std::int64_t k = from; k < to; k++) {
        const T square = v[k] * keep + add * g[k] * g[k];
        v[k] = square;
        w[k] -= rate * g[k] / (std::sqrt(square) + epsilon);
      }
    }
  }
}

template <class T>
static void nadam_all(const Nadam<T>* rows, std::int64_t length, int threads, double lr, double beta1, double beta2,
                      double eps, double decay) {
  const T forget = 1 - beta1, keep = beta2, add = 1 - beta2, epsilon = eps;
  const auto momentum = [=](double step) { return beta1 * (1 - 0.5 * std::pow(0.96, step * decay)); };
  for (std::int64_t r = 0; r < length; r++) {
    *rows[r].step += 1;
    *rows[r].product *= float(momentum(*rows[r].step));
  }
#pragma omp parallel num_threads(threads) if (threads > 1 && several(rows, length))
  for (std::int64_t r = 0; r < length; r++) {
    const Nadam<T> row = rows[r];
    const double step = *row.step, product = *row.product, next = momentum(step + 1);
    const T of_gradient = lr * (1 - momentum(step)) / (1 - product), of_mean = lr * next / (1 - product * next);
    const T correction = 1 / (1 - std::pow(beta2, step));
#pragma omp for schedule(static) nowait
    for (std::int64_t from = 0; from < row.count; from += CHUNK) {
      const std::int64_t to = std::min(from + CHUNK, row.count);
      T *__restrict w = row.weight, *__restrict m = row.mean, *__restrict v = row.square;
      const T* __restrict g = row.gradient;
#pragma omp simd
      for (std::int64_t k = from; k < to; k++) {
        const T mean = m[k] + forget * (g[k] - m[k]), square = v[k] * keep + add * g[k] * g[k];
        m[k] = mean;
        v[k] = square;
        w[k] -= (of_gradient * g[k] + of_mean * mean) / (std::sqrt(square * correction) + epsilon);
      }
    }
  }
}

extern "C" void rmsprop(const void* rows, std::int64_t length, int wide, int threads, double lr, double alpha,
                        double eps) {
  if (wide)
    rmsprop_all(static_cast<const RMSprop<double>*>(rows), length, threads, lr, alpha, eps);
  else
    rmsprop_all(static_cast<const RMSprop<float>*>(rows), length, threads, lr, alpha, eps);
}

extern "C" void nadam(const void* rows, std::int64_t length, int wide, int threads, double lr, double beta1,
                      double beta2, double eps, double decay) {
  if (wide)
    nadam_all(static_cast<const Nadam<double>*>(rows), length, threads, lr, beta1, beta2, eps, decay);
  else
    nadam_all(static_cast<const Nadam<float>*>(rows), length, threads, lr, beta1, beta2, eps, decay);
}
