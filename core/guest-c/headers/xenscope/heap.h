/* A heap: blocks of a power of two of bytes, cut from pages; what is freed is kept for the next block of its size. */
#ifndef XENSCOPE_HEAP_H
#define XENSCOPE_HEAP_H

#include <xenscope/kernel.h>
#include <xenscope/pages.h>
#include <xenscope/string.h>

/* In front of every block, and as large as the alignment that blocks have. */
struct __xenscope_block {
    unsigned long shift; /* the block, with this, has 2^shift bytes */
    struct __xenscope_block *next;
} __attribute__((aligned(16)));

static struct __xenscope_block *__xenscope_blocks[PAGE_SHIFT];

__XENSCOPE_LIBRARY struct __xenscope_block *__xenscope_cut_block(unsigned long shift)
{
    struct __xenscope_block *block = __xenscope_blocks[shift];
    char *page;

    if (block != NULL) {
        __xenscope_blocks[shift] = block->next;
        return block;
    }
    page = (char *)alloc_pages(0);
    if (page == NULL)
        return NULL;
    for (unsigned long at = 1UL << shift; at < PAGE_SIZE; at += 1UL << shift) {
        block = (struct __xenscope_block *)(page + at);
        block->next = __xenscope_blocks[shift];
        __xenscope_blocks[shift] = block;
    }
    return (struct __xenscope_block *)page;
}

/* NULL when there is no memory. */
__XENSCOPE_LIBRARY void *malloc(size_t bytes)
{
    unsigned long shift = 5;
    struct __xenscope_block *block;

    while ((1UL << shift) < bytes + sizeof(*block))
        shift++;
    block = shift < PAGE_SHIFT ? __xenscope_cut_block(shift)
                               : (struct __xenscope_block *)alloc_pages((int)(shift - PAGE_SHIFT));
    if (block == NULL)
        return NULL;
    block->shift = shift;
    return block + 1;
}

__XENSCOPE_LIBRARY void free(void *pointer)
{
    struct __xenscope_block *block = (struct __xenscope_block *)pointer - 1;

    if (pointer == NULL)
        return;
    if (block->shift >= PAGE_SHIFT) {
        free_pages(block, (int)(block->shift - PAGE_SHIFT));
        return;
    }
    block->next = __xenscope_blocks[block->shift];
    __xenscope_blocks[block->shift] = block;
}

__XENSCOPE_LIBRARY void *calloc(size_t count, size_t bytes)
{
    void *block = bytes != 0 && count > ~(size_t)0 / bytes ? NULL : malloc(count * bytes);

    return block == NULL ? NULL : memset(block, 0, count * bytes);
}

__XENSCOPE_LIBRARY void *realloc(void *pointer, size_t bytes)
{
    size_t room = pointer == NULL ? 0 : (1UL << ((struct __xenscope_block *)pointer)[-1].shift) - sizeof(struct __xenscope_block);
    void *block;

    if (pointer != NULL && bytes <= room)
        return pointer;
    block = malloc(bytes);
    if (block != NULL && pointer != NULL) {
        memcpy(block, pointer, room);
        free(pointer);
    }
    return block;
}

/* Mini-OS's and Xen's names. Blocks are aligned to 16 bytes, whatever is asked for. */
__XENSCOPE_LIBRARY void *_xmalloc(size_t bytes, size_t align)
{
    BUG_ON(align > sizeof(struct __xenscope_block));
    return malloc(bytes);
}

__XENSCOPE_LIBRARY void *_xmalloc_array(size_t bytes, size_t align, size_t count)
{
    return bytes != 0 && count > ~(size_t)0 / bytes ? NULL : _xmalloc(bytes * count, align);
}

__XENSCOPE_LIBRARY void xfree(const void *pointer)
{
    free((void *)pointer);
}

#define xmalloc(type) ((type *)_xmalloc(sizeof(type), __alignof__(type)))
#define xzalloc(type) ((type *)calloc(1, sizeof(type)))
#define xmalloc_array(type, count) ((type *)_xmalloc_array(sizeof(type), __alignof__(type), count))

#endif
