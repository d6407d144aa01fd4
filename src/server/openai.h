// The endpoints of the OpenAI API, and those that llama.cpp's server adds to it.
#pragma once

#include "server/generation.h"
#include "server/http.h"
#include "server/service.h"

namespace onebit::server {

HttpResponse json_response(const Json& value, int status = 200);
HttpResponse error_response(const ApiError& error);
// Id of a response: PREFIX and 24 random hexadecimal digits.
std::string new_id(const char* prefix);

HttpResponse chat_completions(Service& service, const HttpRequest& request);
HttpResponse completions(Service& service, const HttpRequest& request);
HttpResponse embeddings(Service& service, const HttpRequest& request);
HttpResponse models(const Service& service);
HttpResponse tokenize(const Service& service, const HttpRequest& request);
HttpResponse detokenize(const Service& service, const HttpRequest& request);
HttpResponse apply_template(const Service& service, const HttpRequest& request);
HttpResponse props(Service& service);
HttpResponse slots(Service& service);

}  // namespace onebit::server
