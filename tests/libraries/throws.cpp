#include <stdexcept>
#include <string>

void throw_if_negative(int number) {
    if (number < 0)
        throw std::invalid_argument("negative: " + std::to_string(number));
}

extern "C" void always_throws(void) { throw std::runtime_error("always"); }
