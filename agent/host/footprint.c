/*
 * footprint.c - keeps the idle agent small. Promises: changes no content: only
 * pages of the program's own file that were never written are dropped.
 */
#include "agent/host/footprint.h"

#include <link.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static int
drop_segments(struct dl_phdr_info *info, size_t size, void *arg)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	(void)size;
	(void)arg;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		uintptr_t from, to;

		/* Never a writable one: RELRO pages are changed by the linker
		 * and would be read back unchanged. */
		if (ph->p_type != PT_LOAD || ph->p_flags & PF_W)
			continue;
		from = (info->dlpi_addr + ph->p_vaddr + page - 1) & ~(page - 1);
		to = (info->dlpi_addr + ph->p_vaddr + ph->p_filesz) &
		    ~(page - 1);
		if (to > from)
			(void)madvise((void *)from, to - from, MADV_DONTNEED);
	}
	return 0;
}

void
footprint_init(void)
{
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_TRIM_THRESHOLD, 64 * 1024);
	mallopt(M_MMAP_THRESHOLD, 64 * 1024);
}

void
footprint_trim(void)
{
	malloc_trim(0);
	dl_iterate_phdr(drop_segments, NULL);
}
