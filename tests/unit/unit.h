/* A unit test is a program: TEST(name) { CHECK(...); }  ...  UNIT_MAIN(name, ...). No root needed. */
#pragma once
#include "base/err.h"
#include <stdio.h>
#include <string.h>

static int unit_failed;

#define CHECK(cond)                                                                                    \
	do {                                                                                           \
		if (!(cond)) {                                                                         \
			printf("# %s:%d: %s (pending: %s)\n", __FILE__, __LINE__, #cond, err_text());  \
			unit_failed = 1;                                                               \
		}                                                                                      \
	} while (0)
#define CHECK_STR(a, b)                                                                                \
	do {                                                                                           \
		const char *a_ = (a), *b_ = (b);                                                       \
		if (!a_ || !b_ || strcmp(a_, b_) != 0) {                                               \
			printf("# %s:%d: \"%s\" is not \"%s\"\n", __FILE__, __LINE__, a_ ? a_ : "NULL", \
			       b_ ? b_ : "NULL");                                                      \
			unit_failed = 1;                                                               \
		}                                                                                      \
	} while (0)
/* Fails with exactly this message. */
#define CHECK_FAILS(expr, message)                                                                     \
	do {                                                                                           \
		err_clear();                                                                           \
		if ((expr) >= 0) {                                                                     \
			printf("# %s:%d: %s did not fail\n", __FILE__, __LINE__, #expr);               \
			unit_failed = 1;                                                               \
		}                                                                                      \
		CHECK_STR(err_text(), message);                                                        \
	} while (0)

struct unit { const char *name; void (*run)(void); };
#define TEST(name) static void name(void)
#define UNIT(name) { #name, name }

static int unit_main(const struct unit *u, size_t n)
{
	int bad = 0;

	printf("1..%zu\n", n);
	for (size_t i = 0; i < n; i++) {
		unit_failed = 0;
		u[i].run();
		bad |= unit_failed;
		printf("%sok %zu - %s\n", unit_failed ? "not " : "", i + 1, u[i].name);
	}
	return bad;
}
#define UNIT_MAIN(...)                                                                                 \
	int main(void)                                                                                 \
	{                                                                                              \
		static const struct unit u[] = { __VA_ARGS__ };                                        \
		return unit_main(u, sizeof u / sizeof u[0]);                                           \
	}
