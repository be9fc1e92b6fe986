/* SPDX-License-Identifier: GPL-2.0 */
/* What the JSON of several verbs is made of. */
#ifndef SEECTL_JSON_H
#define SEECTL_JSON_H

#include <json-c/json.h>
#include <stdint.h>

#include "seectl.h"

void put_number(struct json_object *json, const char *key, uint64_t value);
void put_text(struct json_object *json, const char *key, const char *value);
/* as text, also that of a command; if that loses bytes, also in hexadecimal, as KEY_hex; NULL is null */
void put_path(struct json_object *json, const char *key, const char *path);
/* null if there is nothing */
void put_side(struct json_object *json, const char *key, const struct side *side);
/* "conflicts": an array of words */
void put_conflicts(struct json_object *json, unsigned int conflict);
/* what inspect says of one change */
struct json_object *change_json(const struct change *c);
/* print it on standard output, and release it */
void put_json(struct json_object *json);

#endif
