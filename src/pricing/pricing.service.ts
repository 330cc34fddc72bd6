import { Injectable } from '@nestjs/common';
import { addMs } from '../platform/clock.js';
import { Settings } from '../platform/config.js';
import type { AnyTx } from '../platform/database/statement.js';
import { Catalogue } from './catalogue.js';
import { chooseOffers } from './domain/choose-offer.js';
import type { Offer, OfferChoice, RegionalCatalogue, Wish } from './domain/offer.js';
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
    const catalogues = await this.read(regions, wish);
    const choice = chooseOffers(wish, catalogues, await this.stockOuts.listPlaces(now));
    const isUnknown = choice.kind === 'none' && choice.because === 'product-not-found';
    return isUnknown && (await this.isSoldOtherwise(regions, wish))
      ? { kind: 'none', because: 'billing-mode' }
      : choice;
  }

  async rememberStockOut(
    place: Pick<Offer, 'clusterId' | 'productId' | 'billingMode'>,
    now: Date,
    tx: AnyTx,
  ): Promise<void> {
    await this.stockOuts.record(place, addMs(now, this.settings.stockOutMemoryMs), tx);
  }

  private read(regions: readonly string[], wish: Wish): Promise<RegionalCatalogue[]> {
    return Promise.all(regions.map((region) => this.catalogue.inRegion(region, wish)));
  }

  /** Upstream leaves out of its list what is not sold in the billing mode that was asked for. */
  private async isSoldOtherwise(regions: readonly string[], wish: Wish): Promise<boolean> {
    const other: Wish = { ...wish, billingMode: wish.billingMode === 'spot' ? 'onDemand' : 'spot' };
    const choice = chooseOffers(other, await this.read(regions, other), new Set());
    return choice.kind === 'offers' || choice.because !== 'product-not-found';
  }
}
