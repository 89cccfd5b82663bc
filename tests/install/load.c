/* SPDX-License-Identifier: Apache-2.0
 *
 * Loads the library as a plug-in host or an interpreter would, with dlopen(). Its thread-local state
 * is initial-exec, so this works only while that state is small (see the budget in install.sh).
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    void *library = argc == 2 ? dlopen(argv[1], RTLD_NOW) : NULL;
    uint32_t (*version)(void);

    if (library == NULL) {
        fprintf(stderr, "load: %s\n", argc == 2 ? dlerror() : "give the library");
        return 1;
    }
    *(void **)&version = dlsym(library, "fo_version");
    if (version == NULL || version() == 0)
        return 2;
    dlclose(library);
    return version() == 0; /* -z nodelete: still mapped. */
}
