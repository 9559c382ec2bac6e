// Thread-local storage of each kind: found by __tls_get_addr, at a fixed place in the
// static block, and with a constructor and a destructor.
#include <atomic>

static __thread long counter = 40;
static __thread long fixed __attribute__((tls_model("initial-exec"))) = 400;
static std::atomic<long> destroyed{0};

struct Kept {
    long value = 4000;
    ~Kept() { destroyed++; }
};
static thread_local Kept kept;

extern "C" long next() { return ++counter + ++fixed + ++kept.value; }
extern "C" long ended() { return destroyed; }
