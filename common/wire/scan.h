/* The bounded look at a frame before anything is allocated for it. */
#ifndef CHIPQ_SCAN_H
#define CHIPQ_SCAN_H

#include "common/base/pure/err.h"

#define WIRE_DEPTH_MAX   16
#define WIRE_OBJECTS_MAX 262144 /* msgpack objects of one frame: 6 MiB of decoded tree */

/* Checks that `data` is exactly one msgpack object, whole, nested at most WIRE_DEPTH_MAX deep, of
 * at most WIRE_OBJECTS_MAX objects, every length inside the frame. After it, msgpack_unpack
 * allocates no more than 32 bytes an object that is really there. Linear in the number of objects;
 * no recursion, no allocation. Errors: CQ_E_PROTOCOL. */
int wire_scan(const void *data, size_t bytes, struct cq_err *err) CQ_MUST_CHECK;

#endif
