/* docs/register-map.md, printed from the table in sg_regmap.h. Pure. Thread: any. */
#ifndef RE_MAPDOC_H
#define RE_MAPDOC_H

#include "sg_buf.h"

/* Append the whole document (Markdown). Errors stay in the buffer. */
void re_mapdoc_put(struct sg_buf *out);

#endif
