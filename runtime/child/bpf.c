#include "runtime/child/bpf.h"
#include "base/err.h"
#include "base/scope.h"

#include <stdbool.h>
#include <string.h>

enum { ARCHS_MAX = 16, FAR = 255 };
enum { OFF_NR = offsetof(struct seccomp_data, nr), OFF_ARCH = offsetof(struct seccomp_data, arch) };

/* What the accumulator holds. */
enum held { NOTHING, NR, ARCH, ARGUMENT, MIXED };

/* An answer: what the program returns, or where it begins to look at arguments. */
typedef uint64_t answer;
#define AT_ARGS     (UINT64_C(1) << 63)
#define NO_ANSWER   UINT64_MAX
#define ARGS_PC(a)  ((uint32_t)(a))

struct span { uint32_t first; answer is; };

struct rewrite {
	const struct sock_filter *in;
	size_t n;
	const struct bpf_override *over;
	size_t novers;
	uint32_t archs[ARCHS_MAX];		/* what the program compares the architecture with */
	size_t narchs;
	uint32_t *starts;			/* where ranges of numbers begin, sorted */
	size_t nstarts;
	struct span *spans;			/* of the architecture at hand */
	size_t nspans;
	uint32_t *moved;			/* copied argument code: the new place + 1 */
	struct sock_filter *out;
	size_t len;
};

static int add_arch(struct rewrite *w, uint32_t arch)
{
	for (size_t i = 0; i < w->narchs; i++)
		if (w->archs[i] == arch)
			return 0;
	if (w->narchs == ARCHS_MAX)
		return -EOPNOTSUPP;
	w->archs[w->narchs++] = arch;
	return 0;
}

/* After the last number there is no range. */
static void add_start(struct rewrite *w, uint64_t first)
{
	if (first <= UINT32_MAX)
		w->starts[w->nstarts++] = (uint32_t)first;
}

static int note_compare(struct rewrite *w, const struct sock_filter *f, enum held held)
{
	if (held == ARGUMENT)
		return 0;
	if (held == ARCH && f->code == (BPF_JMP | BPF_JEQ | BPF_K))
		return add_arch(w, f->k);
	if (held != NR)
		return -EOPNOTSUPP;
	switch (f->code) {
	case BPF_JMP | BPF_JEQ | BPF_K:
		add_start(w, f->k);
		/* fall through */
	case BPF_JMP | BPF_JGT | BPF_K:
		add_start(w, (uint64_t)f->k + 1);
		return 0;
	case BPF_JMP | BPF_JGE | BPF_K:
		add_start(w, f->k);
		return 0;
	}
	return -EOPNOTSUPP;
}

static int flow(const struct rewrite *w, uint8_t *held, size_t to, enum held what)
{
	if (to >= w->n)
		return -EOPNOTSUPP;
	held[to] = (uint8_t)(held[to] == NOTHING || held[to] == what ? what : MIXED);
	return 0;
}

static enum held loads(uint32_t offset)
{
	return offset == OFF_NR ? NR : offset == OFF_ARCH ? ARCH : ARGUMENT;
}

/* Jumps go forward only, so one pass sees what every instruction works on. */
static int find_constants(struct rewrite *w)
{
	auto_free uint8_t *held = calloc(w->n, 1);

	if (!held)
		return -ENOMEM;
	held[0] = ARGUMENT;
	for (size_t pc = 0; pc < w->n; pc++) {
		const struct sock_filter *f = &w->in[pc];

		if (held[pc] == NOTHING || BPF_CLASS(f->code) == BPF_RET)
			continue;
		if (f->code == (BPF_JMP | BPF_JA)) {
			TRY(flow(w, held, pc + 1 + f->k, held[pc]));
		} else if (BPF_CLASS(f->code) == BPF_JMP) {
			TRY(note_compare(w, f, held[pc]));
			TRY(flow(w, held, pc + 1 + f->jt, held[pc]));
			TRY(flow(w, held, pc + 1 + f->jf, held[pc]));
		} else if (f->code == (BPF_LD | BPF_W | BPF_ABS)) {
			TRY(flow(w, held, pc + 1, loads(f->k)));
		} else if (held[pc] == ARGUMENT) {
			TRY(flow(w, held, pc + 1, ARGUMENT));
		} else {
			return -EOPNOTSUPP;
		}
	}
	return 0;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void sort_starts(struct rewrite *w)
{
	size_t n = 0;

	qsort(w->starts, w->nstarts, sizeof *w->starts, by_value);
	for (size_t i = 0; i < w->nstarts; i++)
		if (i == 0 || w->starts[i] != w->starts[n - 1])
			w->starts[n++] = w->starts[i];
	w->nstarts = n;
}

static answer follow(const struct sock_filter *prog, size_t n, uint32_t arch, uint32_t nr)
{
	uint32_t a = 0;

	for (size_t pc = 0; pc < n; pc++) {
		const struct sock_filter *f = &prog[pc];

		switch (f->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (loads(f->k) == ARGUMENT)
				return AT_ARGS | pc;
			a = loads(f->k) == NR ? nr : arch;
			break;
		case BPF_JMP | BPF_JA:          pc += f->k; break;
		case BPF_JMP | BPF_JEQ | BPF_K: pc += a == f->k ? f->jt : f->jf; break;
		case BPF_JMP | BPF_JGT | BPF_K: pc += a > f->k ? f->jt : f->jf; break;
		case BPF_JMP | BPF_JGE | BPF_K: pc += a >= f->k ? f->jt : f->jf; break;
		case BPF_RET | BPF_K:           return f->k;
		default:                        return NO_ANSWER;
		}
	}
	return NO_ANSWER;
}

static answer wanted(const struct rewrite *w, uint32_t arch, uint32_t nr)
{
	for (size_t i = 0; i < w->novers; i++)
		if (w->over[i].arch == arch && nr >= w->over[i].first && nr <= w->over[i].last)
			return w->over[i].ret;
	return follow(w->in, w->n, arch, nr);
}

static int find_spans(struct rewrite *w, uint32_t arch)
{
	w->nspans = 0;
	for (size_t i = 0; i < w->nstarts; i++) {
		answer is = wanted(w, arch, w->starts[i]);

		if (is == NO_ANSWER)
			return -EOPNOTSUPP;
		if (w->nspans == 0 || w->spans[w->nspans - 1].is != is)
			w->spans[w->nspans++] = (struct span){ w->starts[i], is };
	}
	return 0;
}

static void emit(struct rewrite *w, unsigned code, uint32_t k, uint8_t jt, uint8_t jf)
{
	if (w->len < BPF_MAXINSNS)
		w->out[w->len] = (struct sock_filter){ (uint16_t)code, jt, jf, k };
	w->len++;
}

/* One number between two ranges of the same answer: one comparison. */
static bool is_hole(const struct span *s, size_t n)
{
	return n == 3 && s[0].is == s[2].is && s[1].first + 1 == s[2].first;
}

static size_t tree_size(const struct span *s, size_t n)
{
	size_t left;

	if (n == 1)
		return 1;
	if (is_hole(s, n))
		return 3;
	left = tree_size(s, n / 2);
	return 1 + (left > FAR) + left + tree_size(s + n / 2, n - n / 2);
}

/* Jumps to argument code hold its old place until it is copied. */
static void emit_leaf(struct rewrite *w, answer is)
{
	if (is & AT_ARGS)
		emit(w, BPF_JMP | BPF_JA, ARGS_PC(is), 1, 0);
	else
		emit(w, BPF_RET | BPF_K, (uint32_t)is, 0, 0);
}

static void emit_tree(struct rewrite *w, const struct span *s, size_t n)
{
	size_t half = n / 2, left;

	if (n == 1) {
		emit_leaf(w, s->is);
		return;
	}
	if (is_hole(s, n)) {
		emit(w, BPF_JMP | BPF_JEQ | BPF_K, s[1].first, 0, 1);
		emit_leaf(w, s[1].is);
		emit_leaf(w, s[0].is);
		return;
	}
	left = tree_size(s, half);
	if (left > FAR) {
		emit(w, BPF_JMP | BPF_JGE | BPF_K, s[half].first, 0, 1);
		emit(w, BPF_JMP | BPF_JA, (uint32_t)left, 0, 0);
	} else {
		emit(w, BPF_JMP | BPF_JGE | BPF_K, s[half].first, (uint8_t)left, 0);
	}
	emit_tree(w, s, half);
	emit_tree(w, s + half, n - half);
}

static void emit_numbers(struct rewrite *w)
{
	if (w->nspans > 1)
		emit(w, BPF_LD | BPF_W | BPF_ABS, OFF_NR, 0, 0);
	emit_tree(w, w->spans, w->nspans);
}

/* An architecture that the program never names: all such get the same answers. */
static uint32_t unnamed_arch(const struct rewrite *w)
{
	uint32_t arch = 1;

	for (size_t i = 0; i < w->narchs; i++)
		if (w->archs[i] == arch)
			arch++, i = (size_t)-1;
	return arch;
}

static int emit_archs(struct rewrite *w)
{
	emit(w, BPF_LD | BPF_W | BPF_ABS, OFF_ARCH, 0, 0);
	for (size_t i = 0; i < w->narchs; i++) {
		size_t at;

		TRY(find_spans(w, w->archs[i]));
		emit(w, BPF_JMP | BPF_JEQ | BPF_K, w->archs[i], 1, 0);
		at = w->len;
		emit(w, BPF_JMP | BPF_JA, 0, 0, 0);
		emit_numbers(w);
		if (w->len > BPF_MAXINSNS)
			return -E2BIG;
		w->out[at].k = (uint32_t)(w->len - at - 1);
	}
	TRY(find_spans(w, unnamed_arch(w)));
	emit_numbers(w);
	return w->len > BPF_MAXINSNS ? -E2BIG : 0;
}

static void mark_next(const struct rewrite *w, uint32_t *keep, size_t pc)
{
	const struct sock_filter *f = &w->in[pc];

	if (BPF_CLASS(f->code) == BPF_RET)
		return;
	if (f->code == (BPF_JMP | BPF_JA)) {
		keep[pc + 1 + f->k] = 1;
	} else if (BPF_CLASS(f->code) == BPF_JMP) {
		keep[pc + 1 + f->jt] = 1;
		keep[pc + 1 + f->jf] = 1;
	} else {
		keep[pc + 1] = 1;
	}
}

/* The copied instructions keep their order, so no jump grows longer. */
static void emit_copy(struct rewrite *w, size_t pc)
{
	struct sock_filter f = w->in[pc];
	uint32_t here = w->moved[pc];

	if (f.code == (BPF_JMP | BPF_JA)) {
		f.k = w->moved[pc + 1 + f.k] - here - 1;
	} else if (BPF_CLASS(f.code) == BPF_JMP) {
		f.jt = (uint8_t)(w->moved[pc + 1 + f.jt] - here - 1);
		f.jf = (uint8_t)(w->moved[pc + 1 + f.jf] - here - 1);
	}
	emit(w, f.code, f.k, f.jt, f.jf);
}

static int copy_argument_code(struct rewrite *w)
{
	size_t tree = w->len, next = tree;

	for (size_t i = 0; i < tree; i++)
		if (w->out[i].code == (BPF_JMP | BPF_JA) && w->out[i].jt)
			w->moved[w->out[i].k] = 1;
	for (size_t pc = 0; pc < w->n; pc++)
		if (w->moved[pc]) {
			mark_next(w, w->moved, pc);
			w->moved[pc] = (uint32_t)++next;
		}
	if (next > BPF_MAXINSNS)
		return -E2BIG;
	for (size_t pc = 0; pc < w->n; pc++)
		if (w->moved[pc])
			emit_copy(w, pc);
	for (size_t i = 0; i < tree; i++)
		if (w->out[i].code == (BPF_JMP | BPF_JA) && w->out[i].jt)
			w->out[i] = (struct sock_filter){ BPF_JMP | BPF_JA, 0, 0,
							  w->moved[w->out[i].k] - 1 - (uint32_t)i - 1 };
	return 0;
}

static bool same(const struct rewrite *w, uint32_t arch, uint32_t nr)
{
	answer old = wanted(w, arch, nr), new = follow(w->out, w->len, arch, nr);

	if (old != NO_ANSWER && (old & AT_ARGS))
		return new == (AT_ARGS | (w->moved[ARGS_PC(old)] - 1));
	return old == new && old != NO_ANSWER;
}

/* A mistake here would open the filter: what was built is followed and compared. */
static int compare(const struct rewrite *w)
{
	for (size_t i = 0; i <= w->narchs; i++) {
		uint32_t arch = i < w->narchs ? w->archs[i] : unnamed_arch(w);

		for (size_t j = 0; j < w->nstarts; j++) {
			uint32_t first = w->starts[j];
			uint32_t last = j + 1 < w->nstarts ? w->starts[j + 1] - 1 : UINT32_MAX;

			if (!same(w, arch, first) || (last != first && !same(w, arch, last)))
				return -EOPNOTSUPP;
		}
	}
	return 0;
}

int bpf_rewrite(const struct sock_filter *in, size_t n, uint32_t first_arch, const struct bpf_override *over,
		size_t novers, struct sock_filter **out, size_t *nout)
{
	struct rewrite w = { .in = in, .n = n, .over = over, .novers = novers };
	auto_free uint32_t *starts = calloc(2 * (n + novers) + 1, sizeof *starts);
	auto_free struct span *spans = calloc(2 * (n + novers) + 1, sizeof *spans);
	auto_free uint32_t *moved = calloc(n + 1, sizeof *moved);
	auto_free struct sock_filter *insns = calloc(BPF_MAXINSNS, sizeof *insns);

	if (!starts || !spans || !moved || !insns || n == 0)
		return -ENOMEM;
	w.starts = starts;
	w.spans = spans;
	w.moved = moved;
	w.out = insns;
	TRY(add_arch(&w, first_arch));
	add_start(&w, 0);
	for (size_t i = 0; i < novers; i++) {
		TRY(add_arch(&w, over[i].arch));
		add_start(&w, over[i].first);
		add_start(&w, (uint64_t)over[i].last + 1);
	}
	TRY(find_constants(&w));
	sort_starts(&w);
	TRY(emit_archs(&w));
	TRY(copy_argument_code(&w));
	TRY(compare(&w));
	*nout = w.len;
	*out = TAKE(insns);
	return 0;
}
