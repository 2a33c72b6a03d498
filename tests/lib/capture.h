/*
 * capture.h - what a function prints, as text. For tests of the command line.
 * capture_end() returns the text of standard output, and of standard error in
 * *err if err is not NULL; the caller frees. One capture at a time.
 */
#ifndef MW_TESTS_CAPTURE_H
#define MW_TESTS_CAPTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int capture_saved[3];
static FILE *capture_file[3];

static void
capture_begin(void)
{
	for (int fd = 1; fd <= 2; fd++) {
		fflush(fd == 1 ? stdout : stderr);
		capture_file[fd] = tmpfile();
		capture_saved[fd] = dup(fd);
		if (capture_file[fd] == NULL || capture_saved[fd] < 0 ||
		    dup2(fileno(capture_file[fd]), fd) < 0)
			abort();
	}
}

static char *
capture_end(char **err)
{
	char *text[3] = { NULL, NULL, NULL };

	for (int fd = 1; fd <= 2; fd++) {
		long n;
		size_t got;

		fflush(fd == 1 ? stdout : stderr);
		n = lseek(fd, 0, SEEK_END);
		dup2(capture_saved[fd], fd);
		close(capture_saved[fd]);
		text[fd] = calloc(1, (size_t)(n < 0 ? 0 : n) + 1);
		if (n < 0 || text[fd] == NULL)
			abort();
		rewind(capture_file[fd]);
		got = fread(text[fd], 1, (size_t)n, capture_file[fd]);
		text[fd][got] = '\0';
		fclose(capture_file[fd]);
	}
	if (err != NULL)
		*err = text[2];
	else
		free(text[2]);
	return text[1];
}

#endif
