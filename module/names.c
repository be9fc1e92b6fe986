// SPDX-License-Identifier: GPL-2.0
/*
 * names.c - the table of names that the SEE made and removed in a directory
 *
 * Owns struct see_names and struct see_name.  The table lives in memory while
 * the layer is mounted; treeload.c reads it at mount, side.c changes disk and
 * table together under the directory's i_rwsem.  see_names.lock is a leaf: the
 * listing asks the table from under the host's i_rwsem.
 */
#include <linux/slab.h>
#include <linux/stringhash.h>

#include "guards.h"
#include "inode.h"
#include "names.h"

/**
 * see_names_make - give a directory its table
 * @dir: the directory
 * @gfp: how to allocate
 *
 * Context: any that @gfp allows; no lock is needed.
 */
int see_names_make(struct inode *dir, gfp_t gfp)
{
	struct see_names *names;

	if (see_names(dir))
		return 0;
	names = kzalloc(sizeof(*names), gfp);
	if (!names)
		return -ENOMEM;
	spin_lock_init(&names->lock);
	names->by_name = RB_ROOT;
	names->by_id = RB_ROOT;
	names->next_id = 1;
	names->gen = 1;
	/* whoever is second takes the first one's */
	if (cmpxchg(&see_i(dir)->names, NULL, names))
		kfree(names);
	return 0;
}

void see_names_free(struct see_names *names)
{
	struct see_name *entry, *next;
	int i;

	if (!names)
		return;
	rbtree_postorder_for_each_entry_safe(entry, next, &names->by_id, by_id)
		kfree(entry);
	for (i = 0; i < SEE_NR_SUBS; i++)
		dput(names->sub[i]);
	kfree(names);
}

static u32 see_name_hash(const char *name, unsigned int len)
{
	return full_name_hash(NULL, name, len);
}

/**
 * see_name_alloc - an entry for see_names_set(), before the disk is touched
 * @name: 1 to NAME_MAX bytes
 * @gfp: how to allocate
 */
struct see_name *see_name_alloc(const struct qstr *name, gfp_t gfp)
{
	struct see_name *entry;

	if (!name->len || name->len > NAME_MAX)
		return ERR_PTR(-ENAMETOOLONG);
	entry = kzalloc(sizeof(*entry) + name->len + 1, gfp);
	if (!entry)
		return ERR_PTR(-ENOMEM);
	entry->len = name->len;
	memcpy(entry->name, name->name, name->len);
	entry->hash = see_name_hash(entry->name, entry->len);
	return entry;
}

static int see_name_cmp(const struct see_name *entry, u32 hash,
			const char *name, unsigned int len)
{
	if (entry->hash != hash)
		return hash < entry->hash ? -1 : 1;
	if (entry->len != len)
		return len < entry->len ? -1 : 1;
	return memcmp(name, entry->name, len);
}

static struct see_name *__see_names_find(struct see_names *names, u32 hash,
					 const char *name, unsigned int len)
{
	struct rb_node *node = names->by_name.rb_node;

	lockdep_assert_held(&names->lock);
	while (node) {
		struct see_name *entry = rb_entry(node, struct see_name, by_name);
		int cmp = see_name_cmp(entry, hash, name, len);

		if (!cmp)
			return entry;
		node = cmp < 0 ? node->rb_left : node->rb_right;
	}
	return NULL;
}

static struct see_name *see_names_at(struct see_names *names, const struct qstr *name)
{
	const char *bytes = (const char *)name->name;

	return __see_names_find(names, see_name_hash(bytes, name->len), bytes, name->len);
}

/**
 * see_names_find - what the SEE says of a name
 * @dir: the directory
 * @name: the name
 * @out: filled in but for the name; may be NULL
 *
 * @out->target stays valid while the layer is mounted.
 *
 * Return: SEE_NAME_NONE if the SEE says nothing.
 */
enum see_name_kind see_names_find(struct inode *dir, const struct qstr *name,
				  struct see_name *out)
{
	struct see_names *names = see_names(dir);
	enum see_name_kind kind = SEE_NAME_NONE;
	struct see_name *entry;
	u32 hash;

	if (out)
		memset(out, 0, sizeof(*out));
	if (!names)
		return SEE_NAME_NONE;
	hash = see_name_hash((const char *)name->name, name->len);
	spin_lock(&names->lock);
	entry = __see_names_find(names, hash, (const char *)name->name,
				 name->len);
	if (entry) {
		kind = entry->kind;
		if (out)
			*out = *entry;
	}
	spin_unlock(&names->lock);
	return kind;
}

static void see_names_insert(struct see_names *names, struct see_name *entry)
{
	struct rb_node **link = &names->by_name.rb_node, *parent = NULL;

	while (*link) {
		struct see_name *other = rb_entry(*link, struct see_name, by_name);

		parent = *link;
		if (see_name_cmp(other, entry->hash, entry->name, entry->len) < 0)
			link = &parent->rb_left;
		else
			link = &parent->rb_right;
	}
	rb_link_node(&entry->by_name, parent, link);
	rb_insert_color(&entry->by_name, &names->by_name);

	link = &names->by_id.rb_node;
	parent = NULL;
	while (*link) {
		parent = *link;
		if (entry->id < rb_entry(parent, struct see_name, by_id)->id)
			link = &parent->rb_left;
		else
			link = &parent->rb_right;
	}
	rb_link_node(&entry->by_id, parent, link);
	rb_insert_color(&entry->by_id, &names->by_id);
	names->nr++;
}

static void see_names_erase(struct see_names *names, struct see_name *entry)
{
	rb_erase(&entry->by_name, &names->by_name);
	rb_erase(&entry->by_id, &names->by_id);
	names->nr--;
}

/* a name that an object follows got bare, or covered; names->lock held */
static void see_names_keeps(struct inode *target, bool keeps)
{
	if (keeps)
		set_bit(SEE_I_KEEPS, &see_i(target)->flags);
	else
		clear_bit(SEE_I_KEEPS, &see_i(target)->flags);
}

static void see_names_forget(struct see_names *names, struct see_name *entry)
{
	see_names_erase(names, entry);
	if (entry->kind == SEE_NAME_FOLLOW)
		see_names_keeps(entry->target, false);
}

/*
 * Of two objects that were changed at one place the later one has the name, for good; but
 * not if the other one has come back to it already.  Is it the later one that loses?
 */
static bool see_names_lose(const struct see_name *old, struct inode *later)
{
	struct inode *other = old->kind == SEE_NAME_FOLLOW ? old->target : old->follow;
	bool back;

	if (!other || other == later || !see_guard(SEE_GUARD_LATER))
		return false;
	back = old->kind == SEE_NAME_FOLLOW && see_gone(other);
	set_bit(SEE_I_FOLLOWED, &see_i(back ? later : other)->flags);
	return back;
}

/**
 * see_names_set - what the SEE says of a name from now on
 * @dir: directory with a table
 * @entry: of see_name_alloc(), filled in; consumed
 *
 * A FOLLOW entry gives way to any other, and is not made of an object once more that has
 * its mark, lost the name to another one, or gave it up.  The first command stays.  Cannot
 * fail.
 */
void see_names_set(struct inode *dir, struct see_name *entry)
{
	struct see_names *names = see_names(dir);
	struct see_name *old, *dead;
	bool late;

	spin_lock(&names->lock);
	old = __see_names_find(names, entry->hash, entry->name, entry->len);
	/* under the lock: whoever sets these bits looks for the entry afterwards */
	late = entry->kind == SEE_NAME_FOLLOW && (see_test(entry->target, SEE_I_FOLLOWED) ||
						  see_test(entry->target, SEE_I_NOFOLLOW));
	if (old && entry->kind == SEE_NAME_FOLLOW && !late)
		late = see_names_lose(old, entry->target);
	if (late) {
		dead = entry;
	} else if (old && entry->kind == SEE_NAME_FOLLOW &&
		   old->kind != SEE_NAME_FOLLOW) {
		old->follow = entry->target;
		dead = entry;
	} else {
		dead = old;
		if (old)
			see_names_forget(names, old);
		if (entry->kind == SEE_NAME_FOLLOW)
			see_names_keeps(entry->target, true);
		entry->covers = old ? old->covers : 0;
		if (old && entry->kind != SEE_NAME_FOLLOW)
			entry->follow = old->kind == SEE_NAME_FOLLOW ?
					old->target : old->follow;
		if (old && old->kind != SEE_NAME_FOLLOW)
			memcpy(entry->command, old->command,
			       sizeof(entry->command));
		/* a name that stays keeps its place in the listing */
		entry->id = old ? old->id : names->next_id++;
		see_names_insert(names, entry);
		names->gen++;
	}
	spin_unlock(&names->lock);
	kfree(dead);
}

/**
 * see_names_del - the SEE says nothing of a name any more
 * @dir: the directory
 * @name: the name
 *
 * But that a changed object was there, if one was.
 */
void see_names_del(struct inode *dir, const struct qstr *name)
{
	struct see_names *names = see_names(dir);
	struct see_name *entry;
	u64 covers = 0;

	if (!names)
		return;
	spin_lock(&names->lock);
	entry = see_names_at(names, name);
	if (entry) {
		covers = entry->covers;
		names->gen++;
	}
	if (entry && entry->follow) {
		entry->kind = SEE_NAME_FOLLOW;
		entry->target = entry->follow;
		entry->follow = NULL;
		see_names_keeps(entry->target, true);
		entry->removed = SEE_TOMB_NONE;
		entry->covers = 0;
		memset(entry->command, 0, sizeof(entry->command));
		entry = NULL;
	} else if (entry) {
		see_names_forget(names, entry);
	}
	spin_unlock(&names->lock);
	if (covers)
		see_cut(see_layer(dir->i_sb), covers, -1);
	kfree(entry);
}

/**
 * see_names_command - by which command a name was changed first
 * @dir: the directory
 * @name: the name; nothing happens if the SEE says nothing of it
 * @command: SEE_COMMAND_SIZE bytes
 */
void see_names_command(struct inode *dir, const struct qstr *name,
		       const char *command)
{
	struct see_names *names = see_names(dir);
	struct see_name *entry;

	if (!names)
		return;
	spin_lock(&names->lock);
	entry = see_names_at(names, name);
	if (entry && entry->kind != SEE_NAME_FOLLOW)
		memcpy(entry->command, command, sizeof(entry->command));
	spin_unlock(&names->lock);
}

/**
 * see_names_unfollow - a changed object follows this name no more, if it does
 * @dir: the directory
 * @name: the name
 * @target: the object
 */
void see_names_unfollow(struct inode *dir, const struct qstr *name, const struct inode *target)
{
	struct see_names *names = see_names(dir);
	struct see_name *entry, *dead = NULL;
	u64 covers = 0;

	if (!names)
		return;
	spin_lock(&names->lock);
	entry = see_names_at(names, name);
	if (entry && entry->follow == target)
		entry->follow = NULL;
	if (entry && entry->kind == SEE_NAME_FOLLOW && entry->target == target) {
		dead = entry;
		covers = entry->covers;
		see_names_forget(names, entry);
		names->gen++;
	}
	spin_unlock(&names->lock);
	if (covers)
		see_cut(see_layer(dir->i_sb), covers, -1);
	kfree(dead);
}

/**
 * see_names_tomb - what tombstone a name has from now on
 * @dir: the directory
 * @name: the name; nothing happens if the SEE says nothing of it
 * @tomb: the tombstone
 */
void see_names_tomb(struct inode *dir, const struct qstr *name, enum see_tomb tomb)
{
	struct see_names *names = see_names(dir);
	struct see_name *entry;

	if (!names)
		return;
	spin_lock(&names->lock);
	entry = see_names_at(names, name);
	if (entry && entry->kind != SEE_NAME_FOLLOW)
		entry->removed = tomb;
	spin_unlock(&names->lock);
}

/**
 * see_names_next - the first entry with an id of at least @id
 * @names: a table
 * @id: where to begin
 * @buf: SEE_NAME_SIZE bytes for a copy, as the table may change
 */
struct see_name *see_names_next(struct see_names *names, u64 id,
				struct see_name *buf)
{
	struct rb_node *node;
	struct see_name *found = NULL;

	spin_lock(&names->lock);
	node = names->by_id.rb_node;
	while (node) {
		struct see_name *entry = rb_entry(node, struct see_name, by_id);

		if (entry->id >= id) {
			found = entry;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	if (found)
		memcpy(buf, found, sizeof(*found) + found->len + 1);
	spin_unlock(&names->lock);
	return found ? buf : NULL;
}

/**
 * see_names_cover - what the host has under a name that the SEE covers
 * @dir: the directory
 * @name: the name
 * @ino: number of the host inode, 0 for none and for a directory
 * @gone: that inode has the name no more; another one may have got it meanwhile,
 *	  as the host tells of an exchange as of two renames, one after the other
 *
 * A covered name is no link that the SEE sees; see_layer.cuts counts them.
 *
 * Context: may be called under locks of the host; waits for nothing.
 */
void see_names_cover(struct inode *dir, const struct qstr *name, u64 ino, bool gone)
{
	struct see_names *names = see_names(dir);
	struct see_layer *layer = see_layer(dir->i_sb);
	struct see_name *entry;
	u64 old = 0;

	if (!names)
		return;
	spin_lock(&names->lock);
	entry = see_names_at(names, name);
	if (gone)
		ino = entry && entry->covers != ino ? entry->covers : 0;
	if (!entry || (entry->kind == SEE_NAME_FOLLOW && !see_gone(entry->target)))
		ino = 0;
	if (entry) {
		old = entry->covers;
		entry->covers = ino;
	}
	spin_unlock(&names->lock);
	if (old == ino)
		return;
	if (old)
		see_cut(layer, old, -1);
	if (ino)
		see_cut(layer, ino, 1);
}

/**
 * see_names_end - the id that the next name will get
 * @dir: the directory
 *
 * Return: never 0.
 */
u64 see_names_end(struct inode *dir)
{
	struct see_names *names = see_names(dir);
	u64 id;

	if (!names)
		return 1;
	spin_lock(&names->lock);
	id = names->next_id;
	spin_unlock(&names->lock);
	return id;
}

/**
 * see_names_hides - does a private name stand where the host has this one?
 * @dir: the directory
 * @name: bytes
 * @len: of @name
 *
 * Context: may be called under locks of the host.
 */
bool see_names_hides(struct inode *dir, const char *name, unsigned int len)
{
	struct qstr q = QSTR_INIT(name, len);
	struct see_name found;

	switch (see_names_find(dir, &q, &found)) {
	case SEE_NAME_NONE:
		return false;
	case SEE_NAME_FOLLOW:
		return see_gone(found.target);
	default:
		return true;
	}
}
