/* Rings of elements that hold their links. */
#ifndef KERNEL_LIST_H
#define KERNEL_LIST_H

struct link {
    struct link *next, *previous;
};

#define LINK_ALONE(_name) { &(_name), &(_name) }
#define link_element(_link, _type, _member) container_of(_link, _type, _member)
#define for_each_element(_at, _head, _member)                                           \
    for ( (_at) = link_element((_head)->next, typeof(*(_at)), _member);                 \
          &(_at)->_member != (_head);                                                   \
          (_at) = link_element((_at)->_member.next, typeof(*(_at)), _member) )

static inline void link_alone(struct link *link)
{
    link->next = link->previous = link;
}

static inline int link_is_alone(const struct link *link)
{
    return link->next == link;
}

static inline void link_behind(struct link *head, struct link *new)
{
    new->next = head->next;
    new->previous = head;
    head->next->previous = new;
    head->next = new;
}

static inline void unlink(struct link *link)
{
    link->next->previous = link->previous;
    link->previous->next = link->next;
    link_alone(link);
}

#endif
