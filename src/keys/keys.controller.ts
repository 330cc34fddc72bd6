import { Body, Controller, Delete, Get, Param, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { RequireScope } from '../platform/http/auth/require-scope.js';
import { type Caller, CurrentCaller } from '../platform/http/caller.js';
import { Answering, CurrentAnswering } from '../platform/http/idempotency/answering.js';
import { Idempotent } from '../platform/http/idempotency/idempotent.js';
import { ApiErrors } from '../platform/http/openapi.js';
import {
  ApiKeyCreated,
  ApiKeyDetails,
  ApiKeyList,
  CreateKeyDto,
  ListKeysQuery,
  overlapMsOf,
  RotateKeyDto,
  toApiKeyCreated,
  toApiKeyDetails,
  toKeyOrder,
} from './keys.dto.js';
import { KeysService } from './keys.service.js';

@ApiTags('keys')
@Controller('api/keys')
export class KeysController {
  constructor(private readonly keys: KeysService) {}

  /** Make a key for a team. The answer is the only time that the key is shown. */
  @Post()
  @RequireScope('admin')
  @Idempotent()
  @ApiCreatedResponse({ type: ApiKeyCreated })
  @ApiErrors(400, 413, 415)
  async createKey(
    @Body() order: CreateKeyDto,
    @CurrentCaller() caller: Caller,
    @CurrentAnswering() answering: Answering,
  ): Promise<ApiKeyCreated> {
    const made = await this.keys.create(toKeyOrder(order), caller.actor, (key, tx) =>
      answering.keep(toApiKeyCreated(key), tx),
    );
    return toApiKeyCreated(made);
  }

  /** The keys of all teams, revoked and expired ones too, the newest first. */
  @Get()
  @RequireScope('admin')
  @ApiOkResponse({ type: ApiKeyList })
  @ApiErrors(400)
  async listKeys(@Query() { teamId, limit, offset }: ListKeysQuery): Promise<ApiKeyList> {
    const { keys, total } = await this.keys.list(teamId, { limit, offset });
    return { keys: keys.map(toApiKeyDetails), total, limit, offset };
  }

  /** One key, without its secret, which nobody can be shown again. */
  @Get(':keyId')
  @RequireScope('admin')
  @ApiOkResponse({ type: ApiKeyDetails })
  @ApiErrors(404)
  async getKey(@Param('keyId') keyId: string): Promise<ApiKeyDetails> {
    return toApiKeyDetails(await this.keys.get(keyId));
  }

  /** Make a key that takes over from this one; both are good until the overlap ends. */
  @Post(':keyId/rotate')
  @RequireScope('admin')
  @Idempotent()
  @ApiCreatedResponse({ type: ApiKeyCreated })
  @ApiErrors(400, 404, 409)
  async rotateKey(
    @Param('keyId') keyId: string,
    @Body() rotation: RotateKeyDto,
    @CurrentCaller() caller: Caller,
    @CurrentAnswering() answering: Answering,
  ): Promise<ApiKeyCreated> {
    const made = await this.keys.rotate(keyId, overlapMsOf(rotation), caller.actor, (key, tx) =>
      answering.keep(toApiKeyCreated(key), tx),
    );
    return toApiKeyCreated(made);
  }

  /** End a key; within 5 seconds no replica takes it any more. */
  @Delete(':keyId')
  @RequireScope('admin')
  @ApiOkResponse({ type: ApiKeyDetails })
  @ApiErrors(404, 409)
  async revokeKey(@Param('keyId') keyId: string): Promise<ApiKeyDetails> {
    return toApiKeyDetails(await this.keys.revoke(keyId));
  }
}
