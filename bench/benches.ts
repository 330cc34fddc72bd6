import { create } from './benches/create.ts';
import { get } from './benches/get.ts';
import { list } from './benches/list.ts';
import { live } from './benches/live.ts';
import type { Bench } from './lib/bench.ts';

/** In the order in which they run when none is named. */
export const BENCHES: readonly Bench[] = [live, get, list, create];
