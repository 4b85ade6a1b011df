/* TCP flags in rules: the first packet has SYN, with or without the two of ECN. */
#include "netns/firewall_judge.h"
#include "base/scope.h"
#include "base/str.h"

enum { SYN = 2, ECN_BITS = 64 | 128 };

bool judge_flag_bits(struct json *v, unsigned *bits)
{
	static const char *const names[] = { "fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr" };
	struct json *list = v;
	unsigned long n;

	if (json_is(v, JSON_ARRAY) || judge_items(v, "|", &list)) {
		for (size_t i = 0; i < list->n; i++)
			if (!judge_flag_bits(list->values[i], bits))
				return false;
		return true;
	}
	if (judge_number(v, &n) && n < 256) {
		*bits |= (unsigned)n;
		return true;
	}
	for (size_t i = 0; json_is(v, JSON_STRING) && i < COUNT(names); i++) {
		if (str_eq(json_string(v), names[i])) {
			*bits |= 1u << i;
			return true;
		}
	}
	return false;
}

enum truth judge_flags(unsigned mask, const char *op, struct json *right)
{
	unsigned bits = 0;

	if (!judge_flag_bits(right, &bits))
		return MAYBE;
	if (str_eq(op, "in"))
		return bits & SYN ? YES : bits & ECN_BITS ? MAYBE : NO;
	/* The bits that are known differ, or nothing else is asked. */
	if ((bits ^ (SYN & mask)) & ~(unsigned)ECN_BITS)
		return NO;
	return mask & ECN_BITS ? MAYBE : YES;
}
