import { Clock } from '../../src/platform/clock.js';
import type { SeededRandom } from './seeded-random.js';

/** A process: what it has in flight dies with it, and answers wait while it is stopped. */
export interface Actor {
  readonly name: string;
  isDead: boolean;
  pausedUntil: number;
}

/** An effect that cannot happen yet answers this and is tried again when somebody calls `unblock`. */
export const BLOCKED = Symbol('blocked');

interface Gate {
  readonly actor: Actor;
  readonly label: string;
  readonly effect: () => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** The effect has happened (or there is none) and only the answer is still on its way. */
  isDone: boolean;
  outcome: { readonly value: unknown } | { readonly error: unknown } | null;
  readyAt: number;
  readonly answerAt: number;
}

interface Timer {
  readonly at: number;
  readonly actor: Actor | null;
  readonly label: string;
  readonly run: () => void;
}

export interface TraceEntry {
  readonly at: number;
  readonly actor: string;
  readonly label: string;
}

const KEPT_TRACE = 400;

/**
 * Cooperative scheduler over promises with virtual time. Every fake I/O waits at a gate; one gate is opened at a time, in seeded
 * order, and all that follows from it runs before the next one. The same seed therefore replays the same interleaving.
 */
export class Scheduler extends Clock {
  nowMs: number;
  steps = 0;
  readonly trace: TraceEntry[] = [];
  private readonly startMs: number;
  private gates: Gate[] = [];
  private timers: Timer[] = [];

  constructor(
    private readonly random: SeededRandom,
    /** How likely an answer travels on its own, so that others run between an effect and its news. */
    private readonly slowAnswers: number,
    startMs = Date.UTC(2026, 0, 1),
  ) {
    super();
    this.startMs = startMs;
    this.nowMs = startMs;
  }

  override now(): Date {
    return new Date(this.nowMs);
  }

  override monotonicMs(): number {
    return this.nowMs - this.startMs + 1;
  }

  /** `effect` happens once, outside the process; its answer reaches the caller `answerMs` after the call at the earliest. */
  gate<T>(
    actor: Actor,
    label: string,
    effect: () => T,
    effectMs = 0,
    answerMs = 0,
  ): Promise<Exclude<T, typeof BLOCKED>> {
    return new Promise((resolve, reject) => {
      // A dead process asks for nothing more; its promises stay open and are collected.
      if (actor.isDead) return;
      this.gates.push({
        actor,
        label,
        effect,
        resolve: resolve as (value: unknown) => void,
        reject,
        isDone: false,
        outcome: null,
        readyAt: this.nowMs + effectMs,
        answerAt: this.nowMs + answerMs,
      });
    });
  }

  /** A wait inside the process: nothing leaves it before the wait is over. */
  pause(actor: Actor, label: string, ms = 0): Promise<void> {
    return new Promise((resolve, reject) => {
      if (actor.isDead) return;
      const readyAt = this.nowMs + ms;
      const outcome = { value: undefined };
      this.gates.push({
        actor,
        label,
        effect: () => undefined,
        resolve: resolve as (value: unknown) => void,
        reject,
        isDone: true,
        outcome,
        readyAt,
        answerAt: readyAt,
      });
    });
  }

  after(ms: number, actor: Actor | null, label: string, run: () => void): void {
    this.timers.push({ at: this.nowMs + ms, actor, label, run });
  }

  unblock(): void {
    for (const gate of this.gates) if (gate.readyAt === Infinity) gate.readyAt = this.nowMs;
  }

  /** SIGKILL: answers are lost; what had left the process may or may not still arrive. */
  kill(actor: Actor): void {
    actor.isDead = true;
    this.gates = this.gates.filter((gate) => gate.actor !== actor || (!gate.isDone && this.random.chance(0.5)));
    this.timers = this.timers.filter((timer) => timer.actor !== actor);
  }

  /** Opens one gate and lets everything that follows from it happen; false when nothing is left to happen before `untilMs`. */
  async step(untilMs: number): Promise<boolean> {
    const next = this.choose(untilMs);
    if (next === null) {
      this.nowMs = Math.max(this.nowMs, untilMs);
      return false;
    }
    this.steps += 1;
    this.nowMs += this.random.below(4);
    next();
    await drained();
    return true;
  }

  private choose(untilMs: number): (() => void) | null {
    for (;;) {
      const gates: Gate[] = [];
      const timers: Timer[] = [];
      const { nowMs } = this;
      let earliest = Infinity;
      for (const gate of this.gates) {
        const at = gate.isDone ? Math.max(gate.readyAt, gate.actor.pausedUntil) : gate.readyAt;
        if (at <= nowMs) gates.push(gate);
        else if (at < earliest) earliest = at;
      }
      for (const timer of this.timers) {
        const at = timer.actor === null ? timer.at : Math.max(timer.at, timer.actor.pausedUntil);
        if (at <= nowMs) timers.push(timer);
        else if (at < earliest) earliest = at;
      }
      const count = gates.length + timers.length;
      if (count > 0) {
        const index = count === 1 ? 0 : this.random.below(count);
        const gate = gates[index];
        const timer = timers[index - gates.length];
        return () => (gate === undefined ? timer && this.ring(timer) : this.open(gate));
      }
      if (earliest > untilMs) return null;
      this.nowMs = earliest;
    }
  }

  private ring(timer: Timer): void {
    this.timers.splice(this.timers.indexOf(timer), 1);
    this.note(timer.actor?.name ?? 'world', timer.label);
    timer.run();
  }

  private open(gate: Gate): void {
    if (!gate.isDone) {
      try {
        const value = gate.effect();
        if (value === BLOCKED) {
          gate.readyAt = Infinity;
          return;
        }
        gate.outcome = { value };
      } catch (error) {
        gate.outcome = { error };
      }
      this.note(gate.actor.name, gate.label);
      gate.isDone = true;
      gate.readyAt = gate.answerAt;
      const mustWait = gate.answerAt > this.nowMs || gate.actor.pausedUntil > this.nowMs;
      if (!gate.actor.isDead && (mustWait || this.random.chance(this.slowAnswers))) return;
    }
    this.gates.splice(this.gates.indexOf(gate), 1);
    if (gate.actor.isDead || gate.outcome === null) return;
    if ('error' in gate.outcome) gate.reject(gate.outcome.error);
    else gate.resolve(gate.outcome.value);
  }

  note(actor: string, label: string): void {
    this.trace.push({ at: this.nowMs - this.startMs, actor, label });
    if (this.trace.length > 2 * KEPT_TRACE) this.trace.splice(0, KEPT_TRACE);
  }
}

/** Node runs ticks only when no promise has anything left to do. */
function drained(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}
