/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FO_FORK_H
#define FO_FORK_H

/** Registers the fork handlers, once per process. */
void fo__fork_prepare_process(void);

#endif
