/*
 * footprint.h - gives memory back that start-up and bursts have touched.
 */
#ifndef MW_AGENT_FOOTPRINT_H
#define MW_AGENT_FOOTPRINT_H

/* Once, before anything is allocated: allocator settings for a small heap. */
void footprint_init(void);
/* Drops clean pages of the program and free heap. They come back from the
 * page cache when needed; costs some 100 us. */
void footprint_trim(void);

#endif
