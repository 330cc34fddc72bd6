import { channel } from 'node:diagnostics_channel';

/** One kind of news about background work. Whoever does the work tells it and need not know who listens. */
class Signal<T> {
  private readonly channel;

  constructor(name: string) {
    this.channel = channel(`gpusvc.${name}`);
  }

  tell(news: T): void {
    this.channel.publish(news);
  }

  /** @returns how to stop listening */
  listen(listener: (news: T) => void): () => void {
    const take = (news: unknown) => listener(news as T);
    this.channel.subscribe(take);
    return () => {
      this.channel.unsubscribe(take);
    };
  }
}

/** Every word in here is one of the sources, never an id: they become labels. */
export const workSignals = {
  stepTaken: new Signal<{ readonly step: string; readonly outcome: 'progressed' | 'rested' | 'failed' }>('step'),
  leaseLost: new Signal<{ readonly lease: string }>('lease-lost'),
  /** A result was dropped because a fresher writer had been there. */
  overtaken: new Signal<{ readonly record: 'instance' | 'listing' }>('overtaken'),
  eventRecorded: new Signal<{ readonly type: string }>('event'),
  instanceReady: new Signal<{ readonly afterMs: number }>('instance-ready'),
};
