// Threads of one kernel, and where they wait for each other.
#pragma once
#include <atomic>
#include <cstdint>
#include <thread>
#ifdef _OPENMP
#include <omp.h>
#endif

// Runs work(member, members) on that many threads at once, or on as many as there are.
template <class F> void together(std::int64_t threads, const F& work) {
#ifdef _OPENMP
#pragma omp parallel num_threads(int(threads)) if (threads > 1)
  work(omp_get_thread_num(), omp_get_num_threads());
#else
  work(0, 1);
#endif
}

// Where all of them wait for each other.
inline void meet() {
#ifdef _OPENMP
#pragma omp barrier
#endif
}

class Barrier {  // the same for a part of them, a team
 public:
  explicit Barrier(int members) : members_(members) {}
  void wait() {
    const int round = round_.load(std::memory_order_acquire);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == members_) {
      arrived_.store(0, std::memory_order_relaxed);
      round_.store(round + 1, std::memory_order_release);
      return;
    }
    for (int spins = 0; round_.load(std::memory_order_acquire) == round; spins++)
      if (spins > 2000) std::this_thread::yield();  // the others may need this core
  }

 private:
  const int members_;
  std::atomic<int> arrived_{0}, round_{0};
};
