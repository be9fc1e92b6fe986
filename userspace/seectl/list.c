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

/* changes and bytes of a SEE that is open; complains itself */
static int look(struct see *see, struct see_status *st)
{
	uint64_t born = 0;
	int err = client_layers(see);

	if (err)
		return err;
	err = see_status(see->fd, st);
	if (err)
		return client_complain("its status cannot be had", err, NULL);
	err = changes_born(see, &born);
	st->bytes += born;
	return err;
}

/* ---- list ---- */

/*
 * @processes, @st: figures of a SEE
 * Return: whether there is anything in @st: nobody sees it of others' SEEs, nor of one
 * whose directories are not there.
 */
static bool look_at(int dev, const struct see_list_entry *e, int *processes, struct see_status *st)
{
	_cleanup_(see_close) struct see see = SEE_INIT;
	char message[SEE_MESSAGE_MAX + 1];

	*processes = client_processes(e->id);
	see.fd = see_open(dev, e->id, "", 0, message);
	return see.fd >= 0 && !look(&see, st);
}

struct listing {
	int dev;
	bool head;
	struct json_object *sees;
};

static int list_json(const struct see_list_entry *e, void *data)
{
	struct json_object *see = json_object_new_object();
	const struct listing *l = data;
	struct see_status st;
	int processes;

	put_text(see, "name", e->name);
	put_number(see, "id", e->id);
	put_text(see, "state", state_name(e->state));
	put_number(see, "owner", e->uid);
	put_number(see, "created", e->created);
	if (look_at(l->dev, e, &processes, &st)) {
		put_number(see, "changes", st.changes);
		put_number(see, "bytes", st.bytes);
	}
	if (processes >= 0)
		put_number(see, "processes", (uint64_t)processes);
	json_object_array_add(l->sees, see);
	return 0;
}

static int list_text(const struct see_list_entry *e, void *data)
{
	char owner[16], when[32], running[16] = "-", changes[24] = "-", bytes[24] = "-";
	struct listing *l = data;
	struct see_status st;
	int processes;

	if (look_at(l->dev, e, &processes, &st)) {
		snprintf(changes, sizeof(changes), "%ju", (uintmax_t)st.changes);
		snprintf(bytes, sizeof(bytes), "%ju", (uintmax_t)st.bytes);
	}
	if (processes >= 0)
		snprintf(running, sizeof(running), "%d", processes);
	if (!l->head)
		printf("%-20s %-10s %-12s %-8s %9s %8s %s\n", "NAME", "STATE", "OWNER", "AGE",
		       "PROCESSES", "CHANGES", "BYTES");
	l->head = true;
	printf("%-20s %-10s %-12s %-8s %9s %8s %s\n", quote(e->name), state_name(e->state),
	       owner_name(e->uid, owner), age(e->created, when), running, changes, bytes);
	return 0;
}

int verb_list(int argc, char **argv)
{
	_cleanup_(see_close) struct see see = SEE_INIT;
	struct listing l = {};
	struct json_object *top;
	bool json;
	int err, n = parse("list", argc, argv, &json);

	if (n)
		return n < 0 ? EXIT_SEECTL : usage_error("list", "it takes no NAME; that is status");
	err = client_device(&see);
	if (err)
		return err;
	l.dev = see.dev;
	if (!json) {
		err = see_list(see.dev, list_text, &l);
		return err ? client_complain("the SEEs cannot be listed", err, NULL) : 0;
	}
	top = json_object_new_object();
	l.sees = json_object_new_array();
	put_number(top, "version", 1);
	json_object_object_add(top, "sees", l.sees);
	err = see_list(see.dev, list_json, &l);
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

/* of the SEE before we opened it, which makes it active */
struct find {
	const char *name;
	uint32_t state;
};

static int find_state(const struct see_list_entry *e, void *data)
{
	struct find *find = data;

	if (!strcmp(e->name, find->name))
		find->state = e->state;
	return 0;
}

int verb_status(int argc, char **argv)
{
	_cleanup_(see_close) struct see see = SEE_INIT;
	struct see_status st;
	struct find find = {};
	int err, n, processes;
	bool json;

	n = parse("status", argc, argv, &json);
	if (n != 1)
		return n < 0 ? EXIT_SEECTL : usage_error("status", "one NAME");
	find.name = argv[optind];
	err = client_device(&see);
	if (!err && see_list(see.dev, find_state, &find))
		err = complain("the SEEs cannot be listed");
	if (!err)
		err = client_open(&see, argv[optind]);
	if (!err)
		err = look(&see, &st);
	if (err)
		return err;
	st.state = find.state;
	processes = client_processes(st.id);
	if (json)
		status_json(&see, &st, processes);
	else
		status_text(&see, &st, processes);
	return 0;
}
