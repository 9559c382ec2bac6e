// Catches what another library throws: the unwinder must know both libraries.
#include <cstring>
#include <exception>
#include <stdexcept>

void throw_if_negative(int number);

extern "C" int caught(int number, char *text, int room) {
    try {
        throw_if_negative(number);
        return number;
    } catch (const std::invalid_argument &error) {
        strncpy(text, error.what(), room - 1);
        return -1;
    }
}

// An exception that passes through frames of C.
extern "C" int caught_through(void (*callback)(void)) {
    try {
        callback();
        return 0;
    } catch (const std::exception &) {
        return 1;
    }
}
