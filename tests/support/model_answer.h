/* SPDX-License-Identifier: Apache-2.0
 *
 * Model of http_answer.h: the same verdict from an answer that is all there, by recursive descent.
 */
#ifndef MODEL_ANSWER_H
#define MODEL_ANSWER_H

#include <stddef.h>

#define MODEL_NEED_MORE 0
#define MODEL_MALFORMED (-1)

/** The final status, or one of the two above. */
int model_answer(const char *bytes, size_t count);

#endif
