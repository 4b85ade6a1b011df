#include "cgroups/systemd.h"

#include <stdio.h>
#include <string.h>

/* In the text that ends at end any byte may be spelt %XX. */
static bool value_is(const char *v, const char *end, const char *want)
{
	for (; v < end; want++) {
		unsigned c = (unsigned char)*v++;

		if (c == '%') {
			if (end - v < 2 || sscanf(v, "%2x", &c) != 1)
				return false;
			v += 2;
		}
		if (!c || c != (unsigned char)*want)
			return false;
	}
	return !*want;
}

bool unit_bus_is_among(const char *addresses, const char *path)
{
	const char *a = addresses;

	for (size_t len; *a; a += len + (a[len] == ';')) {
		const char *key = a + strlen("unix:"), *end;

		len = strcspn(a, ";");
		for (end = a + len; str_starts(a, "unix:") && key < end; key += strcspn(key, ",;") + 1)
			if (str_starts(key, "path=") &&
			    value_is(key + strlen("path="), key + strcspn(key, ",;"), path))
				return true;
	}
	return false;
}
