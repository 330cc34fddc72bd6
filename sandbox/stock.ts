import type { BillingMode } from './catalogue.ts';
import type { Machine } from './machine.ts';

export interface Place {
  productId: string;
  clusterId: string;
  billingMode: BillingMode;
}

/** What a rule leaves out, it applies to. */
export interface StockRule extends Partial<Place> {
  /** Cards (or machines, for an availability limit) that may be in use at once, over everything the rule matches. */
  count: number;
}

interface Use extends Place {
  cards: number;
  machines: number;
}

/** Who holds how much, and how much may be held. Without a rule everything is plentiful. */
export class Stock {
  private readonly uses = new Map<string, Use>();
  private rules: StockRule[] = [];
  /** Machines that may exist by recorded availability; unlike a rule, falling below it takes machines away. */
  private limits: StockRule[] = [];

  take(machine: Machine): void {
    const use = this.use(placeOf(machine));
    use.cards += machine.order.gpuNum;
    use.machines += 1;
  }

  giveBack(machine: Machine): void {
    const use = this.use(placeOf(machine));
    use.cards -= machine.order.gpuNum;
    use.machines -= 1;
  }

  /** The newest rule that matches decides. `count` null takes the rule away again. */
  setRule(selector: Partial<Place>, count: number | null): void {
    this.rules = replaced(this.rules, selector, count);
  }

  setLimit(selector: Partial<Place>, count: number): void {
    this.limits = replaced(this.limits, selector, count);
  }

  currentRules(): readonly StockRule[] {
    return this.rules;
  }

  currentLimits(): readonly StockRule[] {
    return this.limits;
  }

  /** Free cards at a place; Infinity when nothing limits it. */
  freeCards(place: Place): number {
    const rule = this.rules.findLast((candidate) => covers(candidate, place));
    return rule === undefined ? Infinity : rule.count - this.sum(rule, 'cards');
  }

  hasRoom(place: Place, cards: number): boolean {
    if (this.freeCards(place) < cards) return false;
    return this.limits.every((limit) => !covers(limit, place) || this.sum(limit, 'machines') < limit.count);
  }

  /** How many machines too many exist under a limit. */
  excess(limit: StockRule): number {
    return this.sum(limit, 'machines') - limit.count;
  }

  private sum(rule: Partial<Place>, unit: 'cards' | 'machines'): number {
    let sum = 0;
    for (const use of this.uses.values()) if (covers(rule, use)) sum += use[unit];
    return sum;
  }

  private use(place: Place): Use {
    const key = `${place.productId}|${place.clusterId}|${place.billingMode}`;
    let use = this.uses.get(key);
    if (use === undefined) this.uses.set(key, (use = { ...place, cards: 0, machines: 0 }));
    return use;
  }
}

export function placeOf({ order, clusterId }: Machine): Place {
  return { productId: order.product.id, clusterId, billingMode: order.billingMode };
}

export function covers(rule: Partial<Place>, place: Place): boolean {
  return (
    (rule.productId === undefined || rule.productId === place.productId) &&
    (rule.clusterId === undefined || rule.clusterId === place.clusterId) &&
    (rule.billingMode === undefined || rule.billingMode === place.billingMode)
  );
}

function replaced(rules: StockRule[], selector: Partial<Place>, count: number | null): StockRule[] {
  const others = rules.filter((rule) => !isSameSelector(rule, selector));
  return count === null ? others : [...others, { ...selector, count }];
}

function isSameSelector(a: Partial<Place>, b: Partial<Place>): boolean {
  return a.productId === b.productId && a.clusterId === b.clusterId && a.billingMode === b.billingMode;
}
