import { Injectable } from '@nestjs/common';
import { addMs } from '../platform/clock.js';
import { Settings } from '../platform/config.js';
import type { Tx } from '../platform/database/unit-of-work.js';
import { Catalogue } from './catalogue.js';
import { chooseOffers } from './domain/choose-offer.js';
import type { Offer, OfferChoice, Wish } from './domain/offer.js';
import { StockOutRepository } from './stock-out.repository.js';

@Injectable()
export class PricingService {
  constructor(
    private readonly catalogue: Catalogue,
    private readonly stockOuts: StockOutRepository,
    private readonly settings: Settings,
  ) {}

  /** The wished region first, then the configured fallbacks. @throws NovitaError when the catalogue cannot be read. */
  async findOffers(wish: Wish, region: string, now: Date): Promise<OfferChoice> {
    const regions = [...new Set([region, ...this.settings.fallbackRegions])];
    const catalogues = await Promise.all(regions.map((one) => this.catalogue.inRegion(one, wish)));
    return chooseOffers(wish, catalogues, await this.stockOuts.listPlaces(now));
  }

  async rememberStockOut(
    place: Pick<Offer, 'clusterId' | 'productId' | 'billingMode'>,
    now: Date,
    tx: Tx,
  ): Promise<void> {
    await this.stockOuts.record(place, addMs(now, this.settings.stockOutMemoryMs), tx);
  }
}
