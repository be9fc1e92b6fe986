// SPDX-License-Identifier: GPL-2.0
/* json.c - what the JSON of several verbs is made of */
#define _GNU_SOURCE
#include "json.h"
#include "seectl.h"

void put_number(struct json_object *json, const char *key, uint64_t value)
{
	json_object_object_add(json, key, json_object_new_uint64(value));
}

void put_text(struct json_object *json, const char *key, const char *value)
{
	json_object_object_add(json, key, json_object_new_string(value));
}

void put_path(struct json_object *json, const char *key, const char *path)
{
	_cleanup_free_ char *text = NULL, *hex = NULL, *hexkey = NULL;

	if (!path) {
		json_object_object_add(json, key, NULL);
		return;
	}
	text = utf8_lossy(path);
	put_text(json, key, text ? text : "");
	if (utf8_valid(path))
		return;
	hex = malloc(2 * strlen(path) + 1);
	if (!hex || asprintf(&hexkey, "%s_hex", key) < 0) {
		hexkey = NULL;
		return;
	}
	for (size_t i = 0; path[i]; i++)
		sprintf(hex + 2 * i, "%02x", (unsigned char)path[i]);
	put_text(json, hexkey, hex);
}

void put_side(struct json_object *json, const char *key, const struct side *side)
{
	struct json_object *o;
	char mode[8];

	if (!side->mode) {
		json_object_object_add(json, key, NULL);
		return;
	}
	o = json_object_new_object();
	snprintf(mode, sizeof(mode), "%04o", side->mode & 07777);
	put_text(o, "type", type_name(side->mode));
	put_text(o, "mode", mode);
	put_number(o, "uid", side->uid);
	put_number(o, "gid", side->gid);
	put_number(o, "size", side->size);
	json_object_object_add(json, key, o);
}

void put_conflicts(struct json_object *json, unsigned int conflict)
{
	struct json_object *list = json_object_new_array();

	for (const struct conflict_word *w = conflict_words; w->word; w++)
		if (conflict & w->bit)
			json_object_array_add(list, json_object_new_string(w->word));
	json_object_object_add(json, "conflicts", list);
}

void put_json(struct json_object *json)
{
	puts(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PRETTY |
					    JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(json);
}
