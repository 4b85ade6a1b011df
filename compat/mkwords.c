/* Writes what glibc calls each error and each signal as C initialisers, for compat/musl.c. Runs during the build. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
	puts("static const char *const errors[] = {");
	for (int code = 1; code <= EHWPOISON; code++)
		if (strerrordesc_np(code))
			printf("\t[%d] = \"%s\",\n", code, strerrordesc_np(code));
	puts("};\nstatic const char *const error_names[] = {");
	for (int code = 1; code <= EHWPOISON; code++)
		if (strerrorname_np(code))
			printf("\t[%d] = \"%s\",\n", code, strerrorname_np(code));
	puts("};\nstatic const char *const signals[] = {");
	for (int sig = 1; sig < __SIGRTMIN; sig++)
		if (sigabbrev_np(sig))
			printf("\t[%d] = \"%s\",\n", sig, sigabbrev_np(sig));
	puts("};");
	return fflush(stdout) == 0 ? 0 : 1;
}
