/* A function whose code is chosen while the library is loaded (IFUNC). */
static int chosen(void) { return 7; }
static int (*choose(void))(void) { return chosen; }
int choice(void) __attribute__((ifunc("choose")));
int call_choice(void) { return choice(); }

/* Libraries must not see what the program is linked with: they may
   bring another version of the same. */
extern int inflate(void) __attribute__((weak));
extern int SSL_new(void) __attribute__((weak));
extern int sqlite3_open(void) __attribute__((weak));
extern int XML_ParserCreate(void) __attribute__((weak));
extern int Py_IsInitialized(void) __attribute__((weak));
int foreign_names(void) {
    return (inflate != 0) + (SSL_new != 0) + (sqlite3_open != 0) + (XML_ParserCreate != 0);
}
int python_names(void) { return Py_IsInitialized != 0 && Py_IsInitialized() == 1; }
