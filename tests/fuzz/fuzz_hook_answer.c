/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a placement hook's answer: an agent is admitted only by a
 * verdict that names it, and nothing is left under way. */
#include <stdint.h>
#include <stdlib.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/wire/wire.h"
#include "services/offer-broker/hook_book.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static char agent_id[] = "S0", host[] = "h0";

static enum place_verdict look(struct hook_book *book, int64_t now_ms)
{
    struct hook_asker asker = hook_book_asker(book, "svc", now_ms);
    Mesos__V1__AgentID id = MESOS__V1__AGENT_ID__INIT;
    Mesos__V1__Offer offer = MESOS__V1__OFFER__INIT;
    struct place_in in = {.offer = &offer, .pod_type = "data"};
    AUTO_BUF struct buf why = {0};
    enum place_verdict verdict;

    id.value = agent_id;
    offer.agent_id = &id;
    offer.hostname = host;
    verdict = asker.hook.ask(&asker.hook, "h", &in, &why);
    ASSERT((verdict == PLACE_YES) == (why.len == 0));
    return verdict;
}

static bool names_it(const uint8_t *data, size_t len)
{
    AUTO_MESSAGE Reeve__HookAnswer *answer =
        WIRE_DECODE(reeve__hook_answer, data, len, NULL);

    for (size_t i = 0; answer && i < answer->n_verdicts; i++)
        if (str_eq(answer->verdicts[i]->agent_id, agent_id) &&
            answer->verdicts[i]->admits)
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct hook_book *book = hook_book_new(1000);
    const struct hook_bytes bytes = {data, len, 20};
    struct hook_call *call;

    hook_book_add(book, "h");
    look(book, 10);
    call = hook_book_take(book, 10);
    ASSERT(call);
    hook_book_answer(book, &call, &bytes, NULL);
    ASSERT(!call);
    if (look(book, 21) == PLACE_YES)
        ASSERT(names_it(data, len));
    ASSERT(hook_book_verdicts(book) <= 1);
    hook_book_sweep(book, 4000000);
    ASSERT(hook_book_verdicts(book) == 0);
    hook_book_destroy(&book);
    return 0;
}
