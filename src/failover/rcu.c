/* SPDX-License-Identifier: Apache-2.0 */
#include "rcu.h"

#ifndef FO_EXPLORE
char fo__rcu_tag;
#endif
