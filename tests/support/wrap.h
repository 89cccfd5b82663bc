/* SPDX-License-Identifier: Apache-2.0
 *
 * Allocations that go through the program: the linker (--wrap) sends whoever calls malloc() to
 * __wrap_malloc(), which the program defines, and __real_malloc() to the C library. Likewise the others.
 */
#ifndef WRAP_H
#define WRAP_H

#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
int __real_posix_memalign(void **memory, size_t alignment, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
int __wrap_posix_memalign(void **memory, size_t alignment, size_t size);
char *__wrap_strdup(const char *text);

#endif
