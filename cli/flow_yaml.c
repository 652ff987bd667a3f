/* Loads a YAML document after a pass over its events that refuses aliases and tags. */
#include "cli/flow_yaml.h"

enum { DEPTH_MAX = 16 };

static struct flow_at at_mark(yaml_mark_t mark)
{
    return (struct flow_at){mark.line + 1, mark.column + 1};
}

struct flow_at flow_at_of(const yaml_node_t *node)
{
    return at_mark(node->start_mark);
}

const char *flow_kind_of(const yaml_node_t *node)
{
    if (node->type == YAML_SEQUENCE_NODE)
        return "a list";
    if (node->type == YAML_MAPPING_NODE)
        return "a map";
    return node->type == YAML_SCALAR_NODE && node->data.scalar.length == 0 ? "empty" : "a text";
}

const char *flow_scalar(const yaml_node_t *node)
{
    if (node->type != YAML_SCALAR_NODE)
        return NULL;
    const char *text = (const char *)node->data.scalar.value;
    return strlen(text) == node->data.scalar.length ? text : NULL;
}

bool flow_is_plain(const yaml_node_t *node)
{
    return node->type == YAML_SCALAR_NODE && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

/* Is there a tab before the first other character of this line (from 1)? */
static bool is_tab_indented(const char *text, size_t bytes, size_t line)
{
    const char *p = text, *end = text + bytes;
    for (; line > 1 && p < end; line--) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        p = newline ? newline + 1 : end;
    }
    while (p < end && *p == ' ')
        p++;
    return p < end && *p == '\t';
}

static void add_parser_error(const yaml_parser_t *p, const char *text, size_t bytes,
                             struct flow_errors *e)
{
    struct flow_at at = at_mark(p->problem_mark);
    const char *problem = p->problem ? p->problem : "cannot be read";
    if (p->error == YAML_SCANNER_ERROR && is_tab_indented(text, bytes, at.line))
        flow_errors_add(e, at, "tabs may not indent; use spaces");
    else if (p->error == YAML_READER_ERROR)
        flow_errors_add(e, (struct flow_at){0}, "not UTF-8 text: %s at byte %zu", problem,
                        p->problem_offset);
    else if (p->context)
        flow_errors_add(e, at, "%s, %s (line %zu)", problem, p->context, p->context_mark.line + 1);
    else
        flow_errors_add(e, at, "%s", problem);
}

struct scan {
    struct flow_errors *e;
    int depth;
    int documents;
};

static bool is_tagged(const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return event->data.scalar.tag != NULL;
    case YAML_SEQUENCE_START_EVENT:
        return event->data.sequence_start.tag != NULL;
    case YAML_MAPPING_START_EVENT:
        return event->data.mapping_start.tag != NULL;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
    case YAML_ALIAS_EVENT:
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return false;
    }
    return false;
}

/* False ends the scan. */
static bool scan_event(struct scan *s, const yaml_event_t *event)
{
    struct flow_at at = at_mark(event->start_mark);
    if (event->type == YAML_ALIAS_EVENT) {
        flow_errors_add(s->e, at, "alias '*%.60s' is refused; write the value out",
                        (const char *)event->data.alias.anchor);
    } else if (is_tagged(event)) {
        flow_errors_add(s->e, at, "tags ('!') are refused");
    } else if (event->type == YAML_DOCUMENT_START_EVENT && ++s->documents > 1) {
        flow_errors_add(s->e, at, "a second document; a file has one");
        return false;
    }
    if (event->type == YAML_SEQUENCE_START_EVENT || event->type == YAML_MAPPING_START_EVENT)
        s->depth++;
    if (event->type == YAML_SEQUENCE_END_EVENT || event->type == YAML_MAPPING_END_EVENT)
        s->depth--;
    if (s->depth > DEPTH_MAX)
        flow_errors_add(s->e, at, "nested deeper than %d", DEPTH_MAX);
    return s->depth <= DEPTH_MAX;
}

static bool scan_events(const char *text, size_t bytes, struct flow_errors *e)
{
    yaml_parser_t parser;
    yaml_event_t event;
    struct scan scan = {.e = e};
    size_t before = e->n + e->more;
    if (!yaml_parser_initialize(&parser))
        abort(); /* out of memory */
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, bytes);
    for (bool goes_on = true; goes_on;) {
        if (!yaml_parser_parse(&parser, &event)) {
            add_parser_error(&parser, text, bytes, e);
            break;
        }
        goes_on = event.type != YAML_STREAM_END_EVENT && scan_event(&scan, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return e->n + e->more == before;
}

bool flow_yaml_load(const char *text, size_t bytes, yaml_document_t *doc, struct flow_errors *e)
{
    yaml_parser_t parser;
    if (!scan_events(text, bytes, e))
        return false;
    if (!yaml_parser_initialize(&parser))
        abort(); /* out of memory */
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, bytes);
    bool loaded = yaml_parser_load(&parser, doc);
    if (!loaded)
        add_parser_error(&parser, text, bytes, e);
    yaml_parser_delete(&parser);
    if (loaded && yaml_document_get_root_node(doc) == NULL) {
        flow_errors_add(e, (struct flow_at){1, 1}, "the file is empty");
        yaml_document_delete(doc);
        return false;
    }
    return loaded;
}
