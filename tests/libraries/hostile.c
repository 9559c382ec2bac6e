/* Preloaded or auditing, it ends the program that let it in. */
#include <unistd.h>
unsigned int la_version(unsigned int version) { return version; }
__attribute__((constructor)) static void enter(void) {
    static const char words[] = "the hostile library is in\n";
    write(2, words, sizeof words - 1);
    _exit(66);
}
