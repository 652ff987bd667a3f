/* The graph of a flow's jobs. */
#ifndef FLOW_GRAPH_H
#define FLOW_GRAPH_H

#include "cli/flow.h"

/* Fills in `index` of every need. Needs of jobs that are not there are reported and taken out;
 * circles are reported with the way around. */
void flow_graph_link(struct flow *f, struct flow_errors *e);

#endif
