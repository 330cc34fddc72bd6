import { create } from './benches/create.ts';
import { get } from './benches/get.ts';
import { list } from './benches/list.ts';
import { live } from './benches/live.ts';
import { memory } from './benches/memory.ts';
import { reclaim } from './benches/reclaim.ts';
import { replicas } from './benches/replicas.ts';
import { start } from './benches/start.ts';
import { sweep } from './benches/sweep.ts';
import { webhook } from './benches/webhook.ts';
import type { Bench } from './lib/bench.ts';

/** In the order in which they run when none is named. */
export const BENCHES: readonly Bench[] = [live, get, list, create, replicas, webhook, start, sweep, reclaim, memory];
