import { rounded } from './progress.ts';
import { ratiosOf, type Spread, spreadOf } from './statistics.ts';

export interface Goal {
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** One line of the report. */
export interface Figure {
  readonly what: string;
  readonly goal: Goal | null;
  /** Empty for a ratio. */
  readonly unit: string;
  readonly spread: Spread;
  readonly rounds: number;
  /** What it was made of: the absolute values of this machine. */
  readonly details: string;
}

/** Service ÷ yardstick, round by round. */
export function ratioFigure(
  what: string,
  goal: Goal | null,
  ours: readonly number[],
  theirs: readonly number[],
  unit: string,
): Figure {
  const [a, b] = [spreadOf(ours), spreadOf(theirs)];
  const details = `${rounded(a.median)} ÷ ${rounded(b.median)} ${unit}`;
  return { what, goal, unit: '', spread: spreadOf(ratiosOf(ours, theirs)), rounds: ours.length, details };
}

/** A value that has no yardstick. */
export function plainFigure(
  what: string,
  goal: Goal | null,
  values: readonly number[],
  unit: string,
  details = '',
): Figure {
  return { what, goal, unit, spread: spreadOf(values), rounds: values.length, details };
}

export function isReached({ goal, spread }: Figure): boolean {
  return spread.median >= (goal?.atLeast ?? -Infinity) && spread.median <= (goal?.atMost ?? Infinity);
}

export function goalText({ goal, unit }: Figure): string {
  const texts = [
    ...(goal?.atLeast === undefined ? [] : [`≥ ${goal.atLeast}`]),
    ...(goal?.atMost === undefined ? [] : [`≤ ${goal.atMost}`]),
  ];
  return [texts.join(', '), texts.length === 0 ? '' : unit].join(' ').trim();
}

export function valueText({ spread: { median, min, max }, unit }: Figure): string {
  return `${rounded(median)} ${unit}`.trim() + ` (${rounded(min)} to ${rounded(max)})`;
}
