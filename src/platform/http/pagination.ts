import { QueryInt } from './query-int.js';

const MAX_LIMIT = 100;
// The database counts offsets in 64 bits; nobody pages this far.
const MAX_OFFSET = 1_000_000_000;

export interface Page {
  limit: number;
  offset: number;
}

/** The base class of a query that pages; `class ListInstancesQuery extends Paged(50)`. */
export function Paged(defaultLimit: number): new () => Page {
  class PageQuery implements Page {
    @QueryInt({ min: 1, max: MAX_LIMIT, default: defaultLimit, description: 'How many to return at most' })
    limit!: number;

    @QueryInt({ min: 0, max: MAX_OFFSET, default: 0, description: 'How many to skip' })
    offset!: number;
  }
  return PageQuery;
}
