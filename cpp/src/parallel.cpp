#include "evensky/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "evensky/errors.hpp"
#include "threads.hpp"

namespace evensky {

namespace {

using Clock = std::chrono::steady_clock;

// Interval of interrupt checks: short enough for a waiting user, long enough not to affect timings.
constexpr auto checkEvery = std::chrono::milliseconds(100);

// Largest number of threads of a call: more are not faster on any machine, and each takes memory.
constexpr std::ptrdiff_t mostThreads = 1024;

std::atomic<int> defaultThreads{1};
std::atomic<void (*)()> interruptCheck{nullptr};
// Set in worker threads: the lowest number of a failed piece of their call, or -1 if the call was interrupted. A piece
// with a higher number is then no longer needed.
thread_local std::atomic<std::ptrdiff_t> const* failedElsewhere = nullptr;
thread_local std::ptrdiff_t ownPiece = 0;
thread_local Clock::time_point lastCheck{};
// Whether the current exception of this thread is an interruption, which ends all pieces, and not the error of a piece.
thread_local bool interruptedHere = false;

// Thrown and caught in a worker thread, to end a piece that is no longer needed.
struct Unwanted {};

}  // namespace

void setInterruptCheck(void (*check)()) noexcept { interruptCheck.store(check); }

void checkInterrupt() {
    if (failedElsewhere != nullptr) {
        if (failedElsewhere->load(std::memory_order_relaxed) < ownPiece) throw Unwanted{};
        return;
    }
    auto* const check = interruptCheck.load(std::memory_order_relaxed);
    if (check == nullptr) return;
    auto const now = Clock::now();
    if (now - lastCheck < checkEvery) return;
    lastCheck = now;
    interruptedHere = true;
    check();
    interruptedHere = false;
}

int getNumThreads() noexcept { return defaultThreads.load(std::memory_order_relaxed); }

void setNumThreads(int num_threads) {
    if (num_threads < 1) {
        throw InvalidParameterError("num_threads = " + std::to_string(num_threads) + "; it must be at least 1");
    }
    defaultThreads.store(num_threads, std::memory_order_relaxed);
}

void detail::checkThreads(int num_threads) {
    if (num_threads < 0) {
        throw InvalidParameterError("num_threads = " + std::to_string(num_threads) +
                                    "; it must be at least 1, or 0 for the process-wide default");
    }
}

void parallelFor(std::ptrdiff_t count, int num_threads, std::function<void(std::ptrdiff_t)> const& work) {
    detail::checkThreads(num_threads);
    if (!work) throw InvalidParameterError("The work is an empty function; it must be callable");
    if (num_threads == 0) num_threads = getNumThreads();
    auto const threads = std::min<std::ptrdiff_t>({num_threads, count, mostThreads});
    if (threads <= 1) {
        for (std::ptrdiff_t i = 0; i < count; ++i) {
            if (i > 0) checkInterrupt();
            work(i);
        }
        return;
    }
    interruptedHere = false;
    std::atomic<std::ptrdiff_t> next{0};
    std::atomic<std::ptrdiff_t> failedAt{count};
    std::mutex guard;
    std::exception_ptr failure;
    auto const failed = [&] { return failedAt.load(std::memory_order_relaxed) < count; };
    auto const fail = [&](std::ptrdiff_t at) {
        std::scoped_lock const lock(guard);
        if (at < failedAt.load(std::memory_order_relaxed)) {
            failedAt.store(at, std::memory_order_relaxed);
            failure = std::current_exception();
        }
    };
    // An interruption has the number -1, before every piece; calls inside an interrupted call are interrupted as well.
    auto const interrupted = [&] {
        try {
            // A worker of this call need not check: failedAt holds the result already.
            if (failedElsewhere != &failedAt && failedAt.load(std::memory_order_relaxed) >= 0) checkInterrupt();
        } catch (...) {
            fail(-1);
        }
        return failed();
    };
    auto const run = [&] {
        for (;;) {
            if (interrupted()) return;
            auto const i = next.fetch_add(1, std::memory_order_relaxed);
            if (i >= count) return;
            if (failedElsewhere == &failedAt) ownPiece = i;
            try {
                work(i);
            } catch (Unwanted const&) {
                if (failedElsewhere != &failedAt) fail(-1);  // Otherwise failedAt is set already.
            } catch (...) {
                fail(interruptedHere ? -1 : i);
            }
        }
    };
    std::ptrdiff_t running = 0;
    std::condition_variable ended;
    auto const help = [&] {
        failedElsewhere = &failedAt;
        run();  // Does not throw.
        std::scoped_lock const lock(guard);
        --running;
        ended.notify_one();
    };
    std::vector<std::thread> pool;  // Not every standard library has std::jthread.
    pool.reserve(static_cast<std::size_t>(threads - 1));
    try {
        for (std::ptrdiff_t t = 1; t < threads; ++t) {
            {
                std::scoped_lock const lock(guard);
                ++running;
            }
            pool.emplace_back(help);
        }
    } catch (...) {
        // The system has no more threads, or no memory for them; the existing threads do the work.
        std::scoped_lock const lock(guard);
        --running;
    }
    run();
    // The last pieces of the workers may take long, so interrupts are checked meanwhile.
    for (std::unique_lock lock(guard); !ended.wait_for(lock, checkEvery, [&] { return running == 0; });) {
        lock.unlock();
        (void)interrupted();
        lock.lock();
    }
    for (auto& thread : pool) thread.join();
    if (failure) std::rethrow_exception(failure);
}

}  // namespace evensky
