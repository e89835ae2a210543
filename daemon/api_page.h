/*
 * api_page.h - what a browser is told that the page may do (Content Security Policy, level 3). The hashes are
 * those of what stands between <script> and </script>, <style> and </style> in page.html: scripts/page-hashes
 * writes them after a change, and test_api_page refuses others.
 */
#ifndef DAEMON_API_PAGE_H
#define DAEMON_API_PAGE_H

#include "adit.h"
#include "daemon/buffer.h"

#define API_PAGE_SCRIPT "NvP2DCwq0tV5Rwo1K0aov/vkojcvBOIUQ9qJez8ypZo="
#define API_PAGE_STYLE  "vs/utrf43RmAjQTFmaZMplS+jW63t6ztYmsdedVwHg4="
#define API_PAGE_POLICY                                                                              \
    "default-src 'none'; script-src 'sha256-" API_PAGE_SCRIPT "'; style-src 'sha256-" API_PAGE_STYLE \
    "'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

void api_page_text(struct buffer *out); /* into an empty one */

#endif
