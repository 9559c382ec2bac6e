/* Ends any program that loads it, through LD_PRELOAD or LD_AUDIT. */
#include <unistd.h>
unsigned int la_version(unsigned int version) { return version; }
__attribute__((constructor)) static void enter(void) {
    static const char words[] = "the hostile library is in\n";
    write(2, words, sizeof words - 1);
    _exit(66);
}
