// SPDX-License-Identifier: GPL-2.0
/* list.c - seectl list, seectl status */
#define _GNU_SOURCE
#include <getopt.h>
#include <pwd.h>
#include <time.h>

#include "json.h"
#include "seectl.h"

/* the only option of both is --json; returns the number of other arguments */
static int parse(const char *verb, int argc, char **argv, bool *json)
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' }, {} };
	int c;

	*json = false;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (c != 'j') {
			usage_error(verb, "unknown option %s", quote(argv[optind - 1]));
			return -1;
		}
		*json = true;
	}
	return argc - optind;
}

static const char *owner_name(unsigned int uid, char text[static 16])
{
	const struct passwd *pw = getpwuid(uid);

	if (pw)
		return pw->pw_name;
	snprintf(text, 16, "%u", uid);
	return text;
}

static const char *age(uint64_t created, char text[static 32])
{
	uint64_t now = (uint64_t)time(NULL), s = now > created ? now - created : 0;

	if (s < 120)
		snprintf(text, 32, "%ju s", (uintmax_t)s);
	else if (s < 2 * 3600)
		snprintf(text, 32, "%ju min", (uintmax_t)s / 60);
	else if (s < 2 * 86400)
		snprintf(text, 32, "%ju h", (uintmax_t)s / 3600);
	else
		snprintf(text, 32, "%ju days", (uintmax_t)s / 86400);
	return text;
}

/* ---- list ---- */

static int list_json(const struct see_list_entry *e, void *data)
{
	struct json_object *see = json_object_new_object();

	put_text(see, "name", e->name);
	put_number(see, "id", e->id);
	put_text(see, "state", state_name(e->state));
	put_number(see, "owner", e->uid);
	put_number(see, "created", e->created);
	json_object_array_add(data, see);
	return 0;
}

static int list_text(const struct see_list_entry *e, void *data)
{
	bool *head = data;
	char owner[16], when[32];

	if (!*head)
		printf("%-20s %-10s %-12s %s\n", "NAME", "STATE", "OWNER", "AGE");
	*head = true;
	printf("%-20s %-10s %-12s %s\n", quote(e->name), state_name(e->state),
	       owner_name(e->uid, owner), age(e->created, when));
	return 0;
}

int verb_list(int argc, char **argv)
{
	_cleanup_(see_close) struct see see = SEE_INIT;
	struct json_object *top, *sees;
	bool json, head = false;
	int err, n = parse("list", argc, argv, &json);

	if (n)
		return n < 0 ? EXIT_SEECTL : usage_error("list", "it takes no NAME; that is status");
	err = client_device(&see);
	if (err)
		return err;
	if (!json) {
		err = see_list(see.dev, list_text, &head);
		return err ? client_complain("the SEEs cannot be listed", err, NULL) : 0;
	}
	top = json_object_new_object();
	sees = json_object_new_array();
	put_number(top, "version", 1);
	json_object_object_add(top, "sees", sees);
	err = see_list(see.dev, list_json, sees);
	if (!err) {
		put_json(top);
		return 0;
	}
	json_object_put(top);
	return client_complain("the SEEs cannot be listed", err, NULL);
}

/* ---- status ---- */

static void status_json(const struct see *see, const struct see_status *st, int processes)
{
	struct json_object *top = json_object_new_object(), *layers = json_object_new_array();

	put_number(top, "version", 1);
	put_text(top, "name", st->name);
	put_number(top, "id", st->id);
	put_text(top, "state", state_name(st->state));
	put_number(top, "owner", st->uid);
	put_number(top, "created", st->created);
	if (processes >= 0)
		put_number(top, "processes", (uint64_t)processes);
	put_number(top, "changes", st->changes);
	put_number(top, "bytes", st->bytes);
	if (st->size) {
		put_number(top, "size", st->size);
		put_number(top, "used", st->used);
	}
	for (size_t i = 0; i < see->nlayers; i++) {
		struct json_object *layer = json_object_new_object();
		_cleanup_free_ char *path = utf8_lossy(see->layer[i].path);

		put_text(layer, "path", path ? path : "");
		json_object_object_add(layer, "writable", json_object_new_boolean(
				       see->layer[i].flags & SEE_LAYER_WRITE));
		json_object_array_add(layers, layer);
	}
	json_object_object_add(top, "layers", layers);
	put_json(top);
}

static void status_text(const struct see *see, const struct see_status *st, int processes)
{
	char owner[16], when[32];

	printf("name       %s\nid         %ju\nstate      %s\nowner      %s\nage        %s\n",
	       quote(st->name), (uintmax_t)st->id, state_name(st->state),
	       owner_name(st->uid, owner), age(st->created, when));
	if (processes >= 0)
		printf("processes  %d\n", processes);
	printf("changes    %ju\nbytes      %ju\n", (uintmax_t)st->changes, (uintmax_t)st->bytes);
	if (st->size)
		printf("size       %ju, used %ju\n", (uintmax_t)st->size, (uintmax_t)st->used);
	for (size_t i = 0; i < see->nlayers; i++)
		printf("%s%s %s\n", i ? "           " : "layers     ",
		       see->layer[i].flags & SEE_LAYER_WRITE ? "rw" : "ro",
		       quote(see->layer[i].path));
}

int verb_status(int argc, char **argv)
{
	_cleanup_(see_close) struct see see = SEE_INIT;
	struct see_status st;
	int err, n, processes;
	bool json;

	n = parse("status", argc, argv, &json);
	if (n != 1)
		return n < 0 ? EXIT_SEECTL : usage_error("status", "one NAME");
	err = client_open(&see, argv[optind]);
	if (!err)
		err = client_layers(&see);
	if (err)
		return err;
	err = see_status(see.fd, &st);
	if (err)
		return client_complain("its status cannot be had", err, NULL);
	processes = client_processes(st.id);
	if (json)
		status_json(&see, &st, processes);
	else
		status_text(&see, &st, processes);
	return 0;
}
