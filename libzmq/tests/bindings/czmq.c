/* CZMQ's own tests, as its shared library exports them (Debian: libczmq4). Runs the one named. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

int main (int count, char **arguments)
{
    void *library = dlopen ("libczmq.so.4", RTLD_NOW);
    void (*test) (int);
    if (count != 2 || library == NULL) {
        fprintf (stderr, "czmq TEST: %s\n", dlerror ());
        return 2;
    }
    *(void **) &test = dlsym (library, arguments[1]);
    if (test == NULL)
        return 2;
    test (0);
    printf ("done\n");
    return 0;
}
