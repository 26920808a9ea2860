#pragma once

// Reader of golden cases that export_golden.py has written.

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "evensky/view.hpp"

namespace golden {

struct Array {
    std::string dtype;
    std::ptrdiff_t height = 0, width = 0;
    std::size_t offset = 0;
};

struct Expectation {
    std::string property, kind;
    double value = 0.0, tolerance = 0.0;
};

struct Case {
    std::string id, error;
    std::map<std::string, std::string> settings;
    std::map<std::string, Array> arrays;
    std::vector<Expectation> expectations;

    [[nodiscard]] bool has(std::string const& name) const { return settings.count(name) > 0; }
    [[nodiscard]] double number(std::string const& name, double otherwise) const {
        auto const found = settings.find(name);
        return found == settings.end() ? otherwise : std::strtod(found->second.c_str(), nullptr);
    }
    [[nodiscard]] int whole(std::string const& name, int otherwise) const {
        return static_cast<int>(number(name, otherwise));
    }
};

class Family {
public:
    Family(std::string const& folder, std::string const& name) {
        std::ifstream text(folder + "/" + name + ".txt");
        std::ifstream binary(folder + "/" + name + ".bin", std::ios::binary);
        if (!text || !binary) throw std::runtime_error("no golden cases of " + name + " in " + folder);
        _bytes.assign(std::istreambuf_iterator<char>(binary), {});
        for (std::string line; std::getline(text, line);) {
            std::istringstream words(line);
            std::string kind, name_, value;
            words >> kind;
            if (kind == "case") {
                cases.emplace_back();
                words >> cases.back().id;
            } else if (kind == "set") {
                words >> name_ >> value;
                cases.back().settings[name_] = value;
            } else if (kind == "array") {
                Array array;
                words >> name_ >> array.dtype >> array.height >> array.width >> array.offset;
                cases.back().arrays[name_] = array;
            } else if (kind == "expect") {
                Expectation expected;
                std::string number, tolerance;
                words >> expected.property >> expected.kind >> number >> tolerance;
                expected.value = std::strtod(number.c_str(), nullptr);
                expected.tolerance = std::strtod(tolerance.c_str(), nullptr);
                cases.back().expectations.push_back(expected);
            } else if (kind == "error") {
                words >> cases.back().error;
            }
        }
    }

    // Return a plane of a case; a view without memory if the case has none.
    template <typename T>
    [[nodiscard]] evensky::ImageView<T const> plane(Case const& one, std::string const& role) const {
        auto const found = one.arrays.find(role);
        if (found == one.arrays.end()) return {};
        auto const& array = found->second;
        return {reinterpret_cast<T const*>(_bytes.data() + array.offset), array.width, array.height};
    }

    [[nodiscard]] std::vector<double> vector(Case const& one, std::string const& role) const {
        auto const view = plane<double>(one, role);
        return {view.data(), view.data() + view.width() * view.height()};
    }

    std::vector<Case> cases;

private:
    std::vector<char> _bytes;
};

}  // namespace golden
